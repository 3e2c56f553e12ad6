"""Amounts as people read them."""

from __future__ import annotations

from scrm.shared.money import in_yuan

__all__ = ["in_yuan"]
