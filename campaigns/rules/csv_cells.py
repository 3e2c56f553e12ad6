"""Cells of a file that people open with a spreadsheet."""

from __future__ import annotations

#: A spreadsheet takes a cell that begins so for a formula and runs it (OWASP, CSV Injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
GUARD = "'"


def harmless(text: str) -> str:
    """The text as a cell that is only ever text."""
    return GUARD + text if text.startswith(FORMULA) else text
