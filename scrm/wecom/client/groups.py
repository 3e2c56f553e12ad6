"""Customer groups and their statistics."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from scrm.wecom.client.apis import reading
from scrm.wecom.client.arguments import among, at_most, identity, some
from scrm.wecom.client.calls import Calls
from scrm.wecom.client.errors import InvalidArguments
from scrm.wecom.client.parsing import integer, many, parse, text
from scrm.wecom.client.results import GroupDetail, GroupListing, GroupStatistics, Page
from scrm.wecom.rules import limits

LIST_GROUPS = reading("externalcontact/groupchat/list")
GET_GROUP = reading("externalcontact/groupchat/get")
STATISTICS = reading("externalcontact/groupchat/statistic")
STATISTICS_BY_DAY = reading("externalcontact/groupchat/statistic_group_by_day")


class Groups(Calls):
    def groups(
        self,
        *,
        owners: Iterable[str] = (),
        status: int = 0,
        cursor: str = "",
        limit: int = limits.MAX_PAGE,
    ) -> Page[GroupListing]:
        """``status``: 0 all, 1 owner resigned, 2 being inherited, 3 inherited. A company of more
        than 1,000 people has to be asked by ``owners``, at most 100 at a time (else 81017); an
        owner who has resigned may be refused with 40003: ask for status 1 without owners then."""
        among("status", status, range(4))
        body: dict[str, Any] = {
            "status_filter": status,
            "cursor": cursor,
            "limit": max(1, min(limit, limits.MAX_PAGE)),
        }
        if userids := at_most("owners", owners, most=limits.MAX_STAFF_FILTER):
            body["owner_filter"] = {"userid_list": userids}
        answer = self.ask(LIST_GROUPS, body)
        return Page(
            many(GroupListing)(answer.get("group_chat_list")), text(answer.get("next_cursor"))
        )

    def group(self, chat_id: str) -> GroupDetail:
        """With all of its members. The platform's view may lag some seconds behind its events."""
        answer = self.ask(GET_GROUP, {"chat_id": identity("chat_id", chat_id), "need_name": 1})
        group = self.required(GET_GROUP, answer, "group_chat", dict)
        self.required(GET_GROUP, group, "member_list", list)
        return parse(GroupDetail, {"chat_id": chat_id, **group})

    def group_statistics(
        self,
        *,
        begin: datetime,
        end: datetime | None = None,
        owners: Iterable[str] = (),
        cursor: str = "",
        limit: int = limits.MAX_PAGE,
    ) -> Page[GroupStatistics]:
        """By owner, summed over the days from ``begin`` to ``end``, both counted whole in Beijing
        time: at most 30 days, of the last 180. Yesterday's are there after six in the morning."""
        offset = integer(cursor)
        answer = self.ask(
            STATISTICS,
            {
                **days(begin, end),
                **owner_filter(owners),
                "order_by": 2,
                "order_asc": 0,
                "offset": offset,
                "limit": max(1, min(limit, limits.MAX_PAGE)),
            },
        )
        following = integer(answer.get("next_offset"))
        is_last = following <= offset or following >= integer(answer.get("total"))
        return Page(many(GroupStatistics)(answer.get("items")), "" if is_last else str(following))

    def group_statistics_by_day(
        self, *, begin: datetime, end: datetime | None = None, owners: Iterable[str]
    ) -> tuple[GroupStatistics, ...]:
        """By day, summed over ``owners``."""
        userids = some("owners", owners, most=limits.MAX_STAFF_FILTER)
        answer = self.ask(STATISTICS_BY_DAY, {**days(begin, end), **owner_filter(userids)})
        return tuple(parse(GroupStatistics, row) for row in answer.get("items") or () if row)


def days(begin: datetime, end: datetime | None) -> dict[str, int]:
    end = end or begin
    if not timedelta() <= end - begin < timedelta(days=limits.MAX_STATISTIC_DAYS + 1):
        raise InvalidArguments(
            "end",
            f"at most {limits.MAX_STATISTIC_DAYS} days after begin, and not before it",
            limit=limits.MAX_STATISTIC_DAYS,
        )
    return {"day_begin_time": int(begin.timestamp()), "day_end_time": int(end.timestamp())}


def owner_filter(owners: Iterable[str]) -> dict[str, Any]:
    userids = at_most("owners", owners, most=limits.MAX_STAFF_FILTER)
    return {"owner_filter": {"userid_list": userids}} if userids else {}
