"""Giving members the tier that their facts earn."""

from __future__ import annotations

from collections.abc import Iterable

from members.models import TierAssignment


def retier_member(member_id: int, *, scheme_id: int | None = None) -> list[TierAssignment]:
    """Look at one member's tiers now. Returns the periods that began or, where no tier takes the
    member any more, that ended; nothing when all is as it was.
    """
    raise NotImplementedError


def mark_tiers_due(enterprise_id: int, member_ids: Iterable[int]) -> None:
    """Note, in the transaction of the fact, that these members' tiers have to be looked at."""
    raise NotImplementedError
