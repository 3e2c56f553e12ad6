"""Taking one event: judged at once, written a moment later together with others."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from members.errors import ActivityRefused
from members.rules.activity import RawEvent
from members.services.activity_buffer import add_to_buffer
from members.services.ingestion import ingest_activities, judge_activity, refuse_bad_source
from scrm.accounts.models import Enterprise

if TYPE_CHECKING:
    from scrm.accounts.models import User


def report_activity(
    enterprise: Enterprise,
    raw: RawEvent,
    *,
    source: str,
    now: datetime,
    visible_to: User | None = None,
) -> bool:
    """Take an event that is counted once, within a second or two. Whether it waits: without Valkey
    it is written at once.

    Raises ``BadSource``, ``ActivityRefused`` with the code of what is wrong, ``BufferIsFull``.
    """
    refuse_bad_source(source)
    bad = judge_activity(enterprise, raw, now=now, visible_to=visible_to)
    if bad is not None:
        raise ActivityRefused(bad.code, bad.message)
    if add_to_buffer(enterprise, raw, source=source):
        return True
    ingest_activities(enterprise, [raw], source=source, now=now, visible_to=visible_to)
    return False
