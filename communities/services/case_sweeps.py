"""What the clock does for cases: list what is left, plan it, find what was overlooked, warn."""

from __future__ import annotations


def advance_cases(*, limit: int = 10) -> bool:
    """Push on due cases: ask the platform what is left with them, add it, plan and submit.

    Calls the platform, so outside a transaction. Whether something was still due at the end.
    """
    raise NotImplementedError


def gather_left_behind() -> int:
    """Open cases for inactive people who are found to own something still; how many."""
    raise NotImplementedError


def warn_of_deadlines() -> int:
    """Warn once of each open case whose platform year ends within 30 days; how many."""
    raise NotImplementedError
