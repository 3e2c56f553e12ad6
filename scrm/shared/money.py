"""Amounts as people read them. Amounts are in minor units (分)."""

from __future__ import annotations


def in_yuan(amount: int) -> str:
    sign = "-" if amount < 0 else ""
    yuan, fen = divmod(abs(amount), 100)
    return f"{sign}¥{yuan:,}" + (f".{fen:02d}" if fen else "")
