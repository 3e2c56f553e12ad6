"""Taking in activity: validated, counted once, added to the days, in one transaction a batch."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.utils.translation import gettext as _

from members.errors import BadSource
from members.models import Member
from members.rules.activity import OLDEST_DAYS, Event, RawEvent, periods_of, read_event
from members.rules.rows import BadRow, Period, Rejection, is_source
from members.services.coverage import Span, cover
from members.services.event_places import Placed, place_events
from members.services.event_places import unknown_member as unknown_member
from members.services.newcomers import create_missing_members
from members.services.partitions import (
    detached_before,
    ensure_partitions,
    month_of,
    undetachable_since,
)
from members.services.rollup import ADD_DAYS
from members.services.staging import copy_lines, escaped, temporary_table
from members.services.tier_marks import ACTIVITY, mark_tiers_due
from scrm.accounts.models import Enterprise
from scrm.shared.prepared import run_prepared

if TYPE_CHECKING:
    from scrm.accounts.models import User

# Short texts: a table whose rows may be long has a second one, emptied with it each time.
STAGE_COLUMNS = """
    digest uuid, community_id bigint, member_id bigint, staff_id bigint, occurred_at timestamptz,
    kind varchar(20), dedupe_key varchar(128), thread varchar(128)
"""
NOBODY = "\\N"  # NULL in a line of COPY
FRESH = timedelta(days=45)
SEEN_MONTHS: set[date] = set()
NOTED_HOURS: set[tuple[int, str, datetime]] = set()
NOTED_MOST = 100_000
# Keys are taken in their own order and days in theirs, by everybody: so batches that overlap
# wait for one another, but never in a circle. A key that is known writes nothing.
STORE = f"""
WITH fresh AS (
    INSERT INTO members_activitykey (digest)
    SELECT digest FROM activity_stage ORDER BY digest
    ON CONFLICT DO NOTHING
    RETURNING digest
), stored AS (
    INSERT INTO members_activityevent (
        enterprise_id, community_id, member_id, staff_id, occurred_at, kind, source, dedupe_key,
        thread
    )
    SELECT %(enterprise)s, community_id, member_id, staff_id, occurred_at, kind, %(source)s,
           dedupe_key, thread
    FROM activity_stage JOIN fresh USING (digest)
    ORDER BY community_id, member_id, occurred_at
    RETURNING community_id, member_id, staff_id, occurred_at, kind, thread
){ADD_DAYS}
SELECT count(*) FROM stored
"""  # noqa: S608 - statements of our own; every value is bound


@dataclass(frozen=True)
class IngestResult:
    """What became of a batch: the three add up to its rows."""

    accepted: int
    duplicates: int
    rejects: Sequence[Rejection]


def ingest_activities(
    enterprise: Enterprise,
    rows: Iterable[RawEvent],
    *,
    source: str,
    now: datetime,
    visible_to: User | None = None,
    create_members: bool = False,
    consent_text: str = "",
) -> IngestResult:
    """Take the good rows of a batch, each counted once, and say what is wrong with the others.

    The same batch again changes nothing. With ``visible_to`` only communities that the user can
    see exist. With ``create_members`` an unknown member is put on file under the external id
    and, with ``consent_text``, as one who has agreed to profiling by that version of the text.
    """
    refuse_bad_source(source)
    rejects: list[Rejection] = []
    events = _without_archived(list(_read(rows, now, rejects)), rejects, now)
    if create_members:
        named = {event.member for _index, event in events} - {""}
        create_missing_members(enterprise, named, consent_text=consent_text)
    placed = place_events(enterprise, events, rejects, visible_to=visible_to, now=now)
    _have_months(placed, now)
    accepted = _store(enterprise, placed, source=source) if placed else 0
    rejects.sort()
    return IngestResult(accepted, len(placed) - accepted, rejects)


def judge_activity(
    enterprise: Enterprise, raw: RawEvent, *, now: datetime, visible_to: User | None = None
) -> Rejection | None:
    """What would be said against one event, without taking it in."""
    rejects: list[Rejection] = []
    events = _without_archived(list(_read([raw], now, rejects)), rejects, now)
    place_events(enterprise, events, rejects, visible_to=visible_to, now=now)
    return rejects[0] if rejects else None


def refuse_bad_source(source: str) -> None:
    if not is_source(source):
        raise BadSource(_("数据来源只能由字母、数字、点、连字符和下划线组成，最多 40 个字符。"))


def _read(
    rows: Iterable[RawEvent], now: datetime, rejects: list[Rejection]
) -> Iterator[tuple[int, Event]]:
    within = Period.before(now, days=OLDEST_DAYS)
    for index, raw in enumerate(rows):
        try:
            yield index, read_event(raw, within=within)
        except BadRow as bad:
            rejects.append(Rejection(index, bad.code, bad.message))


def _without_archived(
    events: list[tuple[int, Event]], rejects: list[Rejection], now: datetime
) -> list[tuple[int, Event]]:
    """Without events of months that were detached; the usual batch has none as old as that."""
    limit = undetachable_since(now)
    if not any(event.occurred_at < limit for _index, event in events):
        return events
    before = detached_before()
    if before is None:
        return events
    message = _("%(month)s 以前的活跃明细已归档，不能再补录。") % {"month": f"{before:%Y-%m}"}
    rejects.extend(
        Rejection(index, "too_old", message)
        for index, event in events
        if event.occurred_at < before
    )
    return [(index, event) for index, event in events if event.occurred_at >= before]


def ids_of_members(
    enterprise: Enterprise, external_ids: set[str], *, visible_to: User | None = None
) -> dict[str, int]:
    members = Member.objects.filter(enterprise=enterprise)
    if visible_to is not None:
        members = Member.objects.visible_to(visible_to)
    known = members.filter(external_id__in=external_ids)
    return dict(known.values_list("external_id", "pk"))


def _have_months(placed: Sequence[Placed], now: datetime) -> None:
    """Months of the last weeks are never detached, so whoever has seen one need not look again."""
    months = {month_of(place.event.occurred_at) for place in placed}
    if months <= SEEN_MONTHS:
        return
    ensure_partitions(months)
    if not connection.in_atomic_block:  # else it may be undone
        SEEN_MONTHS.update(month for month in months if now.date() - month < FRESH)


def _store(enterprise: Enterprise, placed: Sequence[Placed], *, source: str) -> int:
    values: dict[str, str | int] = {
        "enterprise": enterprise.pk,
        "source": source,
        "zone": enterprise.time_zone,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        temporary_table(cursor, "activity_stage", STAGE_COLUMNS)
        copy_lines(cursor, "activity_stage", _lines(enterprise, placed, source=source))
        ((accepted,),) = run_prepared(STORE, values)
        if accepted:
            members = {place.member_id for place in placed if place.member_id is not None}
            mark_tiers_due(enterprise.pk, members, moved=ACTIVITY)
        _note_coverage(placed, source=source)
    return int(accepted)


def _note_coverage(placed: Sequence[Placed], *, source: str) -> None:
    """By the hours in which events lie, so that a source that goes on is noted once an hour.

    Coverage never shrinks, so whoever has noted an hour need not look at it again.
    """
    hours = {
        (
            place.community_id,
            source,
            place.event.occurred_at.replace(minute=0, second=0, microsecond=0),
        )
        for place in placed
    } - NOTED_HOURS
    if not hours:
        return
    instants: defaultdict[int, list[datetime]] = defaultdict(list)
    for community_id, _source, hour in hours:
        instants[community_id].append(hour)
    cover(
        [
            Span(community_id, since, until)
            for community_id in sorted(instants)
            for since, until in periods_of(instants[community_id])
        ],
        source=source,
    )
    transaction.on_commit(lambda: _remember(hours))


def _remember(hours: set[tuple[int, str, datetime]]) -> None:
    if len(NOTED_HOURS) > NOTED_MOST:
        NOTED_HOURS.clear()
    NOTED_HOURS.update(hours)


def _lines(enterprise: Enterprise, placed: Sequence[Placed], *, source: str) -> Iterator[str]:
    """Of rows with one key the first counts."""
    begun = hashlib.sha256(f"{enterprise.pk}:{source}:".encode())
    seen: set[str] = set()
    for community_id, member_id, staff_id, event in placed:
        _member, _staff, _community, kind, occurred_at, dedupe_key, thread = event
        if dedupe_key in seen:
            continue
        seen.add(dedupe_key)
        whole = begun.copy()
        whole.update(dedupe_key.encode())
        digest = whole.hexdigest()[:32]
        if "\\" in dedupe_key or "\\" in thread:
            dedupe_key, thread = escaped(dedupe_key), escaped(thread)
        at = occurred_at.replace(tzinfo=None).isoformat()
        yield (
            f"{digest}\t{community_id}\t{member_id or NOBODY}\t{staff_id or NOBODY}\t{at}Z\t"
            f"{kind}\t{dedupe_key}\t{thread}\n"
        )
