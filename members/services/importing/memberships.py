"""The kind of file that brings the history of communities: who was there from when to when."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap
from typing import TYPE_CHECKING

from django.utils import timezone

from members.models.import_run import ImportKind
from members.rules.belonging import RawBelonging
from members.services.importing.files import REFUSED, Newcomers
from members.services.importing.layouts import Layout, Row, WriteBatch
from members.services.membership_history import HistoryResult, record_history
from scrm.accounts.models import Enterprise

if TYPE_CHECKING:
    from scrm.accounts.models import User

MEMBERSHIPS = Layout(
    ImportKind.MEMBERSHIPS,
    required=("external_id", "community", "joined_at"),
    optional=("nickname", "left_at", "leave_reason"),
    batch_size=2_000,  # the communities are locked as long as a batch takes
)


def membership_writer(
    enterprise: Enterprise, *, newcomers: Newcomers = REFUSED, visible_to: User | None = None
) -> WriteBatch:
    def write(rows: Sequence[Row]) -> HistoryResult:
        return record_history(
            enterprise,
            starmap(RawBelonging, rows),
            now=timezone.now(),
            visible_to=visible_to,
            create_members=newcomers.are_created,
            consent_text=newcomers.consent_text,
        )

    return write
