"""Names for people who come from nowhere."""

from __future__ import annotations

BEGINNINGS = "小大阿老晴雨风云安静悠然星月林海南北山川春夏秋冬青白橙"
MIDDLES = ("舟", "鹿", "满", "禾", "夏", "川", "木", "七", "柚", "茶", "米", "言", "溪", "晨", "朵")
ENDS = (
    "",
    "",
    "妈妈",
    "同学",
    "er",
    "🌿",
    "🐳",
    "_sz",
    "爸",
    "姐",
    "儿",
    "🍊",
    "Lee",
    "在路上",
    "",
)


def nickname(number: int) -> str:
    """The same number gives the same name."""
    first = BEGINNINGS[number % len(BEGINNINGS)]
    second = MIDDLES[number // 3 % len(MIDDLES)]
    return f"{first}{second}{ENDS[number // 7 % len(ENDS)]}"
