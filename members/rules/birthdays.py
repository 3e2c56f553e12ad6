"""A birthday without its year: month and day as one number, 308 for 8 March.

The year is never kept: nobody needs it for a greeting, and with it a birthday tells an age.
"""

from __future__ import annotations

import re
from datetime import date

#: 03-08, 3/8, 3.8, 3月8日, with or without a year before it
WRITTEN = re.compile(
    r"(?:[0-9]{4}\s*[-/.年]\s*)?([0-9]{1,2})\s*[-/.月]\s*([0-9]{1,2})\s*[日号]?", re.ASCII
)
#: 0308 or 19900308
DIGITS = re.compile(r"(?:[0-9]{4})?([0-9]{2})([0-9]{2})", re.ASCII)
LEAP_YEAR = 2000  # has a 29 February


def birthday_number(text: str) -> int | None:
    """Month and day as one number; None where the text is no day of a year."""
    text = text.strip()
    found = WRITTEN.fullmatch(text) or DIGITS.fullmatch(text)
    if found is None:
        return None
    month, day = int(found[1]), int(found[2])
    try:
        date(LEAP_YEAR, month, day)
    except ValueError:
        return None
    return month * 100 + day


def birthday_words(number: int | None) -> str:
    """03-08; nothing where it is not known."""
    return "" if number is None else f"{number // 100:02d}-{number % 100:02d}"
