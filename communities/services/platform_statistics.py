"""What the platform counted for each owner of customer groups, read day by day and kept: it
forgets it after 180 days (WeCom, page 92133)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import batched

from django.db.models import Max

from communities.models import GroupChat, OwnerDay
from scrm.accounts.models import Staff
from scrm.wecom.client import WecomClient, WecomRefusal, client_for
from scrm.wecom.client.errors import Kind
from scrm.wecom.client.results import GroupStatistics
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules import limits
from scrm.wecom.services.platform_clock import BEIJING, platform_day, platform_now

logger = logging.getLogger(__name__)

DAYS_BACK = 180
ONE_DAY = timedelta(days=1)
#: About one owner, so that the others can still be read.
OF_ONE_OWNER = frozenset({Kind.STALE, Kind.RULE, Kind.CALLER})

COUNTS = (
    "chat_count",
    "new_chat_count",
    "chat_with_messages_count",
    "member_count",
    "new_member_count",
    "speaker_count",
    "message_total",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Days of these owners, from the first to the last, both read."""

    owners: tuple[str, ...]
    first: date
    last: date

    @property
    def is_one_day(self) -> bool:
        return self.first == self.last


@dataclass(frozen=True, slots=True)
class Read:
    days: int
    refused: int = 0


def days_to_read(connection: WecomConnection) -> Iterator[Wanted]:
    """What is missing up to the platform's yesterday: of many owners one day at a call, of one who
    lacks more up to ``MAX_STATISTIC_DAYS`` at a call, as far back as the platform remembers."""
    yesterday = platform_day(platform_now(connection)) - ONE_DAY
    earliest = yesterday - timedelta(days=DAYS_BACK - 1)
    known = OwnerDay.objects.filter(connection=connection).values("userid")
    last_days = dict(known.annotate(last=Max("day")).values_list("userid", "last"))
    for_one_day: list[str] = []
    behind: list[tuple[str, date]] = []
    for userid in owners_of(connection):
        first = max(earliest, last_days.get(userid, earliest - ONE_DAY) + ONE_DAY)
        if first == yesterday:
            for_one_day.append(userid)
        elif first < yesterday:
            behind.append((userid, first))
    for some in batched(for_one_day, limits.MAX_STAFF_FILTER):
        yield Wanted(some, yesterday, yesterday)
    for userid, first in behind:
        begin = first
        while begin <= yesterday:
            end = min(begin + timedelta(days=limits.MAX_STATISTIC_DAYS - 1), yesterday)
            yield Wanted((userid,), begin, end)
            begin = end + ONE_DAY


def owners_of(connection: WecomConnection) -> list[str]:
    """The owners of the live chats of an account, by their ids on the platform."""
    chats = GroupChat.objects.live().filter(channel_account=connection.account_id)
    named = chats.exclude(owner_userid="").order_by("owner_userid")
    return list(named.values_list("owner_userid", flat=True).distinct())


def read_days(connection: WecomConnection, wanted: Wanted) -> Read:
    """Read these days and keep them. Raises ``WecomRefusal`` for what concerns every owner; one
    whom the platform does not tell about is left out. Not inside a transaction."""
    with client_for(connection) as client:
        try:
            rows = list(_answers(client, wanted))
        except WecomRefusal as refusal:
            if refusal.kind not in OF_ONE_OWNER:
                raise
            logger.warning(
                "The platform does not count for an owner.",
                extra={"connection_id": connection.pk, "errcode": refusal.code},
            )
            if len(wanted.owners) == 1:
                return Read(0, refused=1)
            rows, refused = _one_by_one(client, wanted)
            return Read(_keep(connection, rows), refused)
    return Read(_keep(connection, rows))


type Row = tuple[str, date, GroupStatistics]


def _answers(client: WecomClient, wanted: Wanted) -> Iterator[Row]:
    begin, end = _midnight(wanted.first), _midnight(wanted.last)
    if not wanted.is_one_day:
        (userid,) = wanted.owners
        for one in client.group_statistics_by_day(begin=begin, end=end, owners=[userid]):
            if one.day is not None:
                yield userid, platform_day(one.day), one
        return
    cursor = ""
    while True:
        page = client.group_statistics(begin=begin, owners=wanted.owners, cursor=cursor)
        for one in page.items:
            yield one.owner, wanted.first, one
        if not page.next_cursor:
            return
        cursor = page.next_cursor


def _one_by_one(client: WecomClient, wanted: Wanted) -> tuple[list[Row], int]:
    rows: list[Row] = []
    refused = 0
    for userid in wanted.owners:
        try:
            rows += _answers(client, Wanted((userid,), wanted.first, wanted.last))
        except WecomRefusal as refusal:
            if refusal.kind not in OF_ONE_OWNER:
                raise
            refused += 1
    return rows, refused


def _keep(connection: WecomConnection, rows: Sequence[Row]) -> int:
    staff = _staff_of(connection, {userid for userid, _, _ in rows})
    days = [
        OwnerDay(
            enterprise_id=connection.enterprise_id,
            connection=connection,
            userid=userid,
            staff_id=staff.get(userid),
            day=day,
            chat_count=one.chats,
            new_chat_count=one.new_chats,
            chat_with_messages_count=one.chats_with_messages,
            member_count=one.members,
            new_member_count=one.new_members,
            speaker_count=one.members_who_wrote,
            message_total=one.messages,
        )
        for userid, day, one in sorted(rows, key=lambda row: row[:2])
    ]
    OwnerDay.objects.bulk_create(
        days,
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["connection", "userid", "day"],
        update_fields=["staff", *COUNTS],
    )
    return len(days)


def _staff_of(connection: WecomConnection, userids: Iterable[str]) -> dict[str, int]:
    colleagues = Staff.objects.filter(
        enterprise=connection.enterprise_id, external_id__in=list(userids)
    )
    return dict(colleagues.values_list("external_id", "pk"))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=BEIJING)
