"""People who have left and own something still, though no case of theirs is open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db.models import Count, Exists, OuterRef, QuerySet

from communities.handlers import customer_book
from communities.models import GroupChat, ResignationCase, TransferItem
from communities.rules.status import ChatPlatformStatus
from communities.rules.transfers import EXPLAINED, ItemState, Subject
from communities.services.resignation.closing import chats_of, communities_of
from scrm.accounts.models import Staff, StaffPlatformStatus
from scrm.accounts.services.observing_staff import StaffSeen, observe_staff
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ReadKind
from scrm.wecom.services.reading import request_reads

AT_ONCE = 1000  # chats whose owner nobody knows


def who_left_something() -> Iterator[int]:
    """Inactive colleagues without an open case who own a chat, a community or a customer that was
    not given up with a reason."""
    open_cases = ResignationCase.objects.open().filter(staff=OuterRef("pk"))
    inactive = Staff.objects.filter(~Exists(open_cases), is_active=False)
    owning = inactive.filter(
        Exists(_not_given_up(chats_of(OuterRef("pk")), "chat"))
        | Exists(_not_given_up(communities_of(OuterRef("pk")), "community"))
    )
    found = list(owning.order_by("pk").values_list("pk", flat=True))
    yield from found
    others = inactive.exclude(pk__in=found).order_by("enterprise", "pk").only("enterprise")
    for enterprise_id, people in groupby(others.iterator(), key=attrgetter("enterprise_id")):
        loads = customer_book().loads(enterprise_id)
        followed = [each.pk for each in people if loads.get(each.pk)]
        explained = _explained_customers(followed)
        yield from (each for each in followed if _has_more(each, loads, explained))


def _not_given_up(things: QuerySet[Any], subject: str) -> QuerySet[Any]:
    waived = TransferItem.objects.filter(state=ItemState.WAIVED, giver=OuterRef(OuterRef("pk")))
    return things.exclude(Exists(waived.filter(**{subject: OuterRef("pk")})))


def _explained_customers(staff_ids: list[int]) -> dict[int, int]:
    items = TransferItem.objects.filter(
        giver__in=staff_ids, subject=Subject.CUSTOMER, state__in=sorted(EXPLAINED)
    ).order_by()
    return dict(items.values_list("giver").annotate(count=Count("pk")))


def _has_more(staff_id: int, loads: Mapping[int, int], explained: Mapping[int, int]) -> bool:
    """Whether they follow a customer of whom no case says what became of them."""
    if loads[staff_id] > explained.get(staff_id, 0):
        return True
    for page in customer_book().of_staff(staff_id):
        items = TransferItem.objects.filter(
            giver=staff_id,
            subject=Subject.CUSTOMER,
            state__in=sorted(EXPLAINED),
            external_userid__in=[each.external_userid for each in page],
        )
        known = set(items.values_list("channel_account", "external_userid"))
        if any(tuple(each) not in known for each in page):
            return True
    return False


def name_unknown_leavers() -> int:
    """Make known whom the platform names as resigned owners of chats, and have their chats read
    again, which tells whose they are; how many chats."""
    nobodys = GroupChat.objects.live().filter(
        owner=None, platform_status=ChatPlatformStatus.OWNER_RESIGNED
    )
    chats = list(nobodys.exclude(owner_userid="").order_by("channel_account", "pk")[:AT_ONCE])
    for account_id, group in groupby(chats, key=attrgetter("channel_account_id")):
        connection = WecomConnection.objects.in_use().filter(account=account_id).first()
        if connection is not None:
            _make_known(connection, list(group))
    return len(chats)


def _make_known(connection: WecomConnection, chats: list[GroupChat]) -> None:
    userids = {chat.owner_userid.lower(): chat.owner_userid for chat in chats}
    known = Staff.objects.filter(enterprise=connection.enterprise_id).values_list("external_id")
    here = {external_id.lower() for (external_id,) in known}
    left = [
        StaffSeen(userid, status=StaffPlatformStatus.LEFT)
        for key, userid in sorted(userids.items())
        if key not in here
    ]
    observe_staff(connection.enterprise_id, left, read_at=None)
    asked = [chat.external_id for chat in chats]
    request_reads(connection, ReadKind.CHAT, asked, delay=timedelta())
