"""How many failures a broadcast puts up with before it stops by itself."""

from __future__ import annotations

#: Of fewer results than this a share says little, unless there are no more recipients.
FEWEST_RESULTS = 100


def is_over_budget(*, failed: int, settled: int, total: int, percent: int) -> bool:
    """Whether more than ``percent`` of the results so far are failures; 0 means no limit."""
    judged = max(settled, min(total, FEWEST_RESULTS))
    return percent > 0 and failed * 100 > percent * judged
