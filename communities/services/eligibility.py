"""Which colleagues may receive something, and how much they have already."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from communities.rules.transfers import Subject
from scrm.accounts.models import Staff


@dataclass(frozen=True, slots=True)
class ReceiverLoad:
    """A colleague as a possible receiver of one subject.

    ``incoming``: how many items under way will come to them. ``maximum``: the lowest limit of the
    policies in force for everything of this subject, None without one; ``left`` is what it leaves,
    None without a limit. ``refusal``: the code of why they may not receive, or empty.
    """

    staff: Staff
    owned: int
    incoming: int
    maximum: int | None
    left: int | None
    refusal: str


def refusals_of(
    enterprise_id: int, staff_ids: Collection[int], *, subject: str = Subject.CHAT
) -> dict[int, str]:
    """Why those of them who may not receive may not, as codes of ``transfer_words``."""
    raise NotImplementedError


def receiver_loads(
    enterprise_id: int, subject: str = Subject.CHAT, *, search: str = "", limit: int = 50
) -> list[ReceiverLoad]:
    """Active colleagues, those who may receive first, the least loaded of them first. ``search``
    is a part of the name or of the account on the platform."""
    raise NotImplementedError
