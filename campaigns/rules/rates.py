"""How large a burst may be, and how large the portions in which it is sent.

Tokens are taken some milliseconds before their messages arrive at the platform, so a fifth of the
burst is kept back: what arrives in any second stays within the rate and the burst nevertheless.
"""

from __future__ import annotations

from math import floor

#: The part of the burst that the bucket holds.
USED_SHARE = 0.8
#: Portions of a full bucket: small ones keep the line busy while a worker looks elsewhere.
PORTIONS = 4


def bucket_size(rate_per_second: int, burst: int) -> float:
    """Messages that an idle account may send at once. A burst of 0 is as large as the rate."""
    return max(1.0, USED_SHARE * (burst or rate_per_second))


def portion_size(rate_per_second: int, burst: int) -> int:
    """The most recipients of one call through an account with a limit."""
    return max(1, floor(bucket_size(rate_per_second, burst) / PORTIONS))
