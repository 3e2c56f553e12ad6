"""Taking in activity: validated, counted once, rolled up, all in one transaction a batch."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from django.db import connection, transaction
from django.utils.translation import gettext as _

from communities.models import Community
from members.errors import BadSource
from members.models import Member
from members.rules.activity import OLDEST_DAYS, Event, RawEvent, periods_of, read_event
from members.rules.rows import BadRow, Period, Rejection, is_source, shown
from members.services.coverage import Span, cover
from members.services.partitions import ensure_partitions, month_of
from members.services.rollup import Window, prepare_touched, recount_touched
from members.services.staging import copy_lines, escaped, temporary_table
from members.services.tier_marks import ACTIVITY, mark_tiers_due
from scrm.accounts.models import Enterprise

if TYPE_CHECKING:
    from scrm.accounts.models import User

ONE_DAY_AND_A_ZONE = timedelta(days=2)  # no local day reaches further from an event in it

STAGE_COLUMNS = """
    digest uuid, community_id bigint, member_id bigint, occurred_at timestamptz, kind text,
    dedupe_key text, thread text
"""
# Keys are taken in their own order and days in theirs, by everybody: so batches that overlap
# wait for one another, but never in a circle.
STORE = """
WITH fresh AS (
    INSERT INTO members_activitykey (digest)
    SELECT digest FROM activity_stage ORDER BY digest
    ON CONFLICT DO NOTHING
    RETURNING digest
), stored AS (
    INSERT INTO members_activityevent (
        enterprise_id, community_id, member_id, occurred_at, kind, source, dedupe_key, thread
    )
    SELECT %(enterprise)s, community_id, member_id, occurred_at, kind, %(source)s, dedupe_key,
           thread
    FROM activity_stage JOIN fresh USING (digest)
    ORDER BY community_id, member_id, occurred_at
    RETURNING community_id, member_id, occurred_at
), touched AS (
    INSERT INTO touched_days (community_id, member_id, day)
    SELECT DISTINCT community_id, member_id, (occurred_at AT TIME ZONE %(zone)s)::date
    FROM stored
)
SELECT count(*) FROM stored
"""
@dataclass(frozen=True)
class IngestResult:
    """What became of a batch: the three add up to its rows."""

    accepted: int
    duplicates: int
    rejects: Sequence[Rejection]


class Placed(NamedTuple):
    """A well-formed event whose member and community are known."""

    community_id: int
    member_id: int
    event: Event


def ingest_activities(
    enterprise: Enterprise,
    rows: Iterable[RawEvent],
    *,
    source: str,
    now: datetime,
    visible_to: User | None = None,
    create_members: bool = False,
) -> IngestResult:
    """Take the good rows of a batch, each counted once, and say what is wrong with the others.

    The same batch again changes nothing. With ``visible_to`` only communities that the user can
    see exist. With ``create_members`` an unknown member is put on file under the external id.
    """
    if not is_source(source):
        raise BadSource(_("数据来源只能由字母、数字、点、连字符和下划线组成，最多 40 个字符。"))
    rejects: list[Rejection] = []
    events = list(_read(rows, now, rejects))
    if create_members:
        create_missing_members(enterprise, {event.member for _index, event in events})
    placed = list(_place(enterprise, events, visible_to, rejects))
    ensure_partitions(month_of(place.event.occurred_at) for place in placed)
    accepted = _store(enterprise, placed, source=source) if placed else 0
    rejects.sort()
    return IngestResult(accepted, len(placed) - accepted, rejects)


def _read(
    rows: Iterable[RawEvent], now: datetime, rejects: list[Rejection]
) -> Iterator[tuple[int, Event]]:
    within = Period.before(now, days=OLDEST_DAYS)
    for index, raw in enumerate(rows):
        try:
            yield index, read_event(raw, within=within)
        except BadRow as bad:
            rejects.append(Rejection(index, bad.code, bad.message))


def _place(
    enterprise: Enterprise,
    events: Sequence[tuple[int, Event]],
    visible_to: User | None,
    rejects: list[Rejection],
) -> Iterator[Placed]:
    """A member or community of another enterprise is as unknown as one that does not exist."""
    communities = Community.objects.filter(enterprise=enterprise)
    if visible_to is not None:
        communities = Community.objects.visible_to(visible_to)
    community_ids = dict(
        communities.filter(code__in={event.community for _index, event in events}).values_list(
            "code", "pk"
        )
    )
    member_ids = ids_of_members(enterprise, {event.member for _index, event in events})
    for index, event in events:
        member_id = member_ids.get(event.member)
        community_id = community_ids.get(event.community)
        if community_id is None:
            message = _("没有代码为“%(code)s”的社群。") % {"code": shown(event.community)}
            rejects.append(Rejection(index, "unknown_community", message))
        elif member_id is None:
            rejects.append(Rejection(index, "unknown_member", unknown_member(event.member)))
        else:
            yield Placed(community_id, member_id, event)


def ids_of_members(
    enterprise: Enterprise, external_ids: set[str], *, visible_to: User | None = None
) -> dict[str, int]:
    members = Member.objects.filter(enterprise=enterprise)
    if visible_to is not None:
        members = Member.objects.visible_to(visible_to)
    known = members.filter(external_id__in=external_ids)
    return dict(known.values_list("external_id", "pk"))


def unknown_member(external_id: str) -> str:
    return _("没有客户编号为“%(member)s”的成员。") % {"member": shown(external_id)}


def create_missing_members(enterprise: Enterprise, external_ids: set[str]) -> None:
    """Put unknown customers on file under their external ids, until somebody gives them a name."""
    unknown = external_ids - ids_of_members(enterprise, external_ids).keys()
    Member.objects.bulk_create(
        [
            Member(enterprise=enterprise, external_id=external_id, nickname=external_id[:120])
            for external_id in sorted(unknown)
        ],
        batch_size=1000,
        ignore_conflicts=True,
    )


def _store(enterprise: Enterprise, placed: Sequence[Placed], *, source: str) -> int:
    first = min(place.event.occurred_at for place in placed)
    last = max(place.event.occurred_at for place in placed)
    values: dict[str, str | int] = {
        "enterprise": enterprise.pk,
        "source": source,
        "zone": enterprise.time_zone,
    }
    window = Window(
        enterprise.pk, enterprise.time_zone, first - ONE_DAY_AND_A_ZONE, last + ONE_DAY_AND_A_ZONE
    )
    with transaction.atomic(), connection.cursor() as cursor:
        temporary_table(cursor, "activity_stage", STAGE_COLUMNS)
        prepare_touched(cursor)
        copy_lines(cursor, "activity_stage", _lines(enterprise, placed, source=source))
        cursor.execute(STORE, values)
        (accepted,) = cursor.fetchone()
        if accepted:
            recount_touched(window)
        if accepted:
            members = {place.member_id for place in placed}
            mark_tiers_due(enterprise.pk, members, moved=ACTIVITY)
        cover(_spans(placed), source=source)
    return int(accepted)


def _spans(placed: Sequence[Placed]) -> Iterator[Span]:
    instants: defaultdict[int, list[datetime]] = defaultdict(list)
    for place in placed:
        instants[place.community_id].append(place.event.occurred_at)
    for community_id in sorted(instants):
        for since, until in periods_of(instants[community_id]):
            yield Span(community_id, since, until)


def _lines(enterprise: Enterprise, placed: Sequence[Placed], *, source: str) -> Iterator[str]:
    """Of rows with one key the first counts."""
    prefix = f"{enterprise.pk}:{source}:".encode()
    seen: set[str] = set()
    for community_id, member_id, event in placed:
        _member, _community, kind, occurred_at, dedupe_key, thread = event
        digest = hashlib.sha256(prefix + dedupe_key.encode()).hexdigest()[:32]
        if digest in seen:
            continue
        seen.add(digest)
        yield (
            f"{digest}\t{community_id}\t{member_id}\t{occurred_at.isoformat()}\t"
            f"{kind}\t{escaped(dedupe_key)}\t{escaped(thread)}\n"
        )
