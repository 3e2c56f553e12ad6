"""When so much is missing from an answer that the answer is not believed."""

from __future__ import annotations

ENOUGH = 20  # that few may always go
SHARE = 20  # percent of what was known


def is_mass_disappearance(gone: int, *, known: int) -> bool:
    """More than a fifth and more than a handful at once: rather a right taken away, or a fault of
    the platform, than everybody's farewell."""
    return gone > ENOUGH and gone * 100 > known * SHARE
