"""One-time codes sent to a phone."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta

DIGITS = 6
VALID_FOR = timedelta(minutes=5)
SESSION = timedelta(days=7)  # how long a browser is known by a number it has proven
KEPT_FOR = SESSION + timedelta(days=1)
MAX_ATTEMPTS = 5  # then the code is void: one in 200,000 to guess it
CODE = re.compile(f"[0-9]{{{DIGITS}}}", re.ASCII)


def new_code() -> str:
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def is_code(text: str) -> bool:
    return CODE.fullmatch(text) is not None
