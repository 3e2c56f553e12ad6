"""What a sync counted, as an operator reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

type Text = str | Promise
type Counts = Mapping[str, Mapping[str, int]]

STEP_WORDS: Mapping[str, Text] = {
    "directory": gettext_lazy("通讯录"),
    "customers": gettext_lazy("客户"),
    "groups": gettext_lazy("客户群"),
}

COUNT_WORDS: Mapping[str, Text] = {
    "expected": gettext_lazy("应有 %(n)d"),
    "seen": gettext_lazy("读到 %(n)d"),
    "chats": gettext_lazy("读到 %(n)d 个群"),
    "members": gettext_lazy("共 %(n)d 人"),
    "unchanged": gettext_lazy("%(n)d 个群成员没变"),
    "added": gettext_lazy("新增 %(n)d"),
    "new_chats": gettext_lazy("新群 %(n)d 个"),
    "changed": gettext_lazy("更新 %(n)d"),
    "closed": gettext_lazy("结束 %(n)d"),
    "joined": gettext_lazy("入群 %(n)d 次"),
    "left": gettext_lazy("退群 %(n)d 次"),
    "corrected": gettext_lazy("更正 %(n)d 个在群时段"),
    "missing": gettext_lazy("不再可见 %(n)d"),
    "unseen": gettext_lazy("没有见到 %(n)d"),
    "left_out": gettext_lazy("未能读取 %(n)d"),
    "departments": gettext_lazy("部门 %(n)d 个"),
    "departments_added": gettext_lazy("新增部门 %(n)d 个"),
    "departments_changed": gettext_lazy("更新部门 %(n)d 个"),
    "followers": gettext_lazy("%(n)d 人可做客户联系"),
}

#: What the events had not told us.
DRIFT_WORDS: Mapping[tuple[str, str], Text] = {
    ("groups", "new_chats"): gettext_lazy("补记 %(n)d 个客户群"),
    ("groups", "joined"): gettext_lazy("补记 %(n)d 次入群"),
    ("groups", "left"): gettext_lazy("补记 %(n)d 次退群"),
    ("groups", "corrected"): gettext_lazy("更正 %(n)d 个在群时段"),
    ("groups", "changed"): gettext_lazy("更正 %(n)d 个群的资料"),
    ("groups", "closed"): gettext_lazy("补记 %(n)d 个群解散"),
    ("customers", "added"): gettext_lazy("补记 %(n)d 次添加客户"),
    ("customers", "changed"): gettext_lazy("更正 %(n)d 个客户的资料"),
    ("customers", "closed"): gettext_lazy("补记 %(n)d 次解除客户关系"),
    ("directory", "added"): gettext_lazy("补记 %(n)d 名员工"),
    ("directory", "changed"): gettext_lazy("更正 %(n)d 名员工的资料"),
    ("directory", "closed"): gettext_lazy("补记 %(n)d 名员工离职"),
    ("directory", "missing"): gettext_lazy("%(n)d 名员工不再可见"),
}


def counts_in_words(counts: Counts) -> list[tuple[str, str]]:
    """One line per step: its name and what it counted. What came to nothing is left out, except
    how many were read."""
    return [
        (str(STEP_WORDS.get(step, step)), "，".join(_told(counts[step])))
        for step in _in_order(counts, STEP_WORDS)
    ]


def _told(counted: Mapping[str, int]) -> Iterator[str]:
    for name in _in_order(counted, COUNT_WORDS):
        number = counted[name]
        if number or name in {"seen", "chats"}:
            yield filled(COUNT_WORDS.get(name), name, number)


def drift_in_words(drift: Counts) -> str:
    """One sentence, empty when the events had told everything."""
    told = [
        filled(DRIFT_WORDS.get((step, name), COUNT_WORDS.get(name)), name, drift[step][name])
        for step in _in_order(drift, STEP_WORDS)
        for name in _in_order(drift[step], COUNT_WORDS)
        if drift[step][name]
    ]
    if not told:
        return ""
    return _("%(what)s：回调丢失或没有说明。") % {"what": "、".join(told)}


def filled(words: Text | None, name: str, number: int) -> str:
    return f"{name} {number}" if words is None else str(words) % {"n": number}


def _in_order(found: Mapping[str, object], words: Mapping[str, Text]) -> list[str]:
    """What is stored keeps no order."""
    known = [name for name in words if name in found]
    return [*known, *sorted(set(found) - set(known))]
