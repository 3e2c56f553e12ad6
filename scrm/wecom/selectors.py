"""Whether a company's connection works: what waits, what failed, what was read, what it cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db.models import BooleanField, Count, ExpressionWrapper, Q

from scrm.wecom.models import ApiQuota, InboundEvent, ReadRequest, SyncRun, WecomConnection
from scrm.wecom.rules.status import EventState, ReadState, SyncScope, SyncState

COUNTED = 1000  # more than this of a kind is told as "more"
PLATFORM_ZONE = ZoneInfo("Asia/Shanghai")  # the platform's days


@dataclass(frozen=True)
class Inbox:
    """Callbacks of one connection. Counts stop at ``COUNTED`` + 1."""

    waiting: int
    failed: int
    ignored: int
    last_received_at: datetime | None


@dataclass(frozen=True)
class Readings:
    """Objects that are to be read again."""

    waiting: int
    failed: int


def has_history(connection: WecomConnection) -> bool:
    """Whether anything of this company was read or received."""
    received = InboundEvent.objects.filter(
        enterprise_id=connection.enterprise_id, connection=connection
    )
    read = SyncRun.objects.filter(enterprise_id=connection.enterprise_id, connection=connection)
    return received.exists() or read.exclude(counts={}).exists()


def inbox_of(connection: WecomConnection) -> Inbox:
    events = InboundEvent.objects.filter(
        enterprise_id=connection.enterprise_id, connection=connection
    )
    last = events.order_by("-pk").values_list("received_at", flat=True).first()

    def count(state: EventState) -> int:
        return events.filter(state=state)[: COUNTED + 1].count()

    return Inbox(
        waiting=count(EventState.WAITING),
        failed=count(EventState.FAILED),
        ignored=count(EventState.IGNORED),
        last_received_at=last,
    )


def readings_of(connection: WecomConnection) -> Readings:
    counted = ReadRequest.objects.filter(connection=connection).aggregate(
        waiting=Count("pk", filter=Q(state=ReadState.WAITING)),
        failed=Count("pk", filter=Q(state=ReadState.FAILED)),
    )
    return Readings(**counted)


def last_sync(connection: WecomConnection) -> SyncRun | None:
    """The newest, whatever became of it."""
    runs = SyncRun.objects.filter(enterprise_id=connection.enterprise_id, connection=connection)
    return runs.order_by("-pk").first()


def last_full_sync_at(connection: WecomConnection) -> datetime | None:
    """When everything was read for the last time."""
    runs = SyncRun.objects.filter(
        enterprise_id=connection.enterprise_id,
        connection=connection,
        scope=SyncScope.FULL,
        state__in=[SyncState.COMPLETED, SyncState.PARTIAL],
    )
    return runs.order_by("-pk").values_list("finished_at", flat=True).first()


def platform_day(now: datetime) -> date:
    return now.astimezone(PLATFORM_ZONE).date()


def usage_of(connection: WecomConnection, *, now: datetime, limit: int = 8) -> list[ApiQuota]:
    """Today's use: what is parked first, then what was called most."""
    rows = ApiQuota.objects.filter(connection=connection, day=platform_day(now))
    parked = Q(parked_until__isnull=False, parked_until__gt=now)
    told = rows.annotate(is_parked=ExpressionWrapper(parked, BooleanField()))
    return list(told.order_by("-is_parked", "-call_count", "api")[:limit])
