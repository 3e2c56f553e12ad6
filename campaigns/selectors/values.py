"""What members are worth. One place, to be replaced by their expected lifetime value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime


def value_of(member_ids: Sequence[int], *, as_of: datetime) -> int:
    """Net purchases of these members within the last ``VALUE_DAYS`` together, in 分."""
    return 0
