"""Phone numbers: read into one form, shown with the middle hidden."""

from __future__ import annotations

import re

SEPARATORS = re.compile(r"[\s\-()（）·.]+")
NUMBER = re.compile(r"\+?[0-9]{6,15}")
CHINA = re.compile(r"(?:\+?86)?(1[3-9][0-9]{9})")


def normalised(raw: str) -> str | None:
    """One form for one number: a Chinese mobile without its country code. None if it is none."""
    number = SEPARATORS.sub("", raw)
    if not NUMBER.fullmatch(number) or not number.isascii():
        return None
    mobile = CHINA.fullmatch(number)
    return mobile.group(1) if mobile else number


def masked(number: str) -> str:
    """138****1234: enough to recognise, too little to call."""
    if not number:
        return ""
    if len(number) <= 7:
        return "*" * len(number)
    return f"{number[:3]}{'*' * (len(number) - 7)}{number[-4:]}"
