"""The step of a sync that reads every customer group with its members.

First the groups are listed: all at once, or by their owners where a company is too large for that;
then those whose owner has left, who have to be asked for apart. Each page of a list is read before
the next one is asked for. At the end the chats that no list has shown are read one by one: a chat
that is gone is closed, one that we may not see any more stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from communities.models import GroupChat
from communities.models.group_chat import GroupChatQuerySet
from communities.rules.status import ChatPlatformStatus
from members.rules.status import ObservedBy
from members.services.platform.closing import close_vanished_chat
from members.services.platform.readings import record_chat_readings
from scrm.accounts.rules.disappearance import is_mass_disappearance
from scrm.wecom.client import WecomClient
from scrm.wecom.client.errors import WecomRefusal
from scrm.wecom.client.results import GroupDetail, GroupListing
from scrm.wecom.handlers import Page
from scrm.wecom.models import SyncRun, WecomConnection
from scrm.wecom.rules.status import SyncScope
from scrm.wecom.services.fetching import Fetched, Fetcher
from scrm.wecom.services.platform_clock import platform_now

LISTED_AT_ONCE = 200  # what the cursor holds between two pages
READ_AT_ONCE = 20
OWNERS_AT_ONCE = 100
MOST_RESTARTS = 3  # of one list

TOO_MANY_PEOPLE = 81017
BAD_CURSOR = 50100
#: One of the owners asked about has left, or is nobody.
NOT_OF_ALL = frozenset({40003, 46004, 60111, 84061, 84074})
DISSOLVED = frozenset({40050, 49008})
#: Not a group for us, or one whose owner is out of our sight.
INVISIBLE = frozenset({40003, 50002, 60011, 60030, 60111, 84074, 90501})

STATUSES = {
    0: ChatPlatformStatus.NORMAL,
    1: ChatPlatformStatus.OWNER_RESIGNED,
    2: ChatPlatformStatus.INHERITING,
    3: ChatPlatformStatus.INHERITED,
}
ALL, BY_OWNER, RESIGNED, UNLISTED, DONE = "all", "by_owner", "resigned", "unlisted", "done"

type Place = dict[str, Any]


class GroupsStep:
    """The cursor: ``since`` when the first list was there; ``unread`` are the listed chats that are
    still to be read, with their status; ``at`` is where the next list begins."""

    name = "groups"
    title: str | Promise = gettext_lazy("客户群")
    scopes: frozenset[str] = frozenset({SyncScope.FULL, SyncScope.GROUPS})
    drift = frozenset({"new_chats", "joined", "left", "corrected", "closed"})

    def pages(self, run: SyncRun, client: WecomClient, cursor: dict[str, Any]) -> Iterator[Page]:
        cursor = cursor or {"unread": [], "at": {"phase": ALL}}
        with Fetcher(run.connection) as fetcher:
            reader = _Reader(run, fetcher)
            while cursor["unread"] or cursor["at"]["phase"] != DONE:
                if cursor["unread"]:
                    page = reader.page(cursor)
                elif cursor["at"]["phase"] == UNLISTED:
                    page = _unlisted_page(run, fetcher, cursor)
                else:
                    page = _listing_page(run, client, cursor)
                yield page
                cursor = page.cursor


# --- Lists ----------------------------------------------------------------------------------------


def _listing_page(run: SyncRun, client: WecomClient, cursor: dict[str, Any]) -> Page:
    at: Place = cursor["at"]
    owners = _owners(run.connection, client, at) if at["phase"] == BY_OWNER else []
    if at["phase"] == BY_OWNER and not owners:
        return Page(dict, {**cursor, "at": {"phase": RESIGNED, "status": 1}})
    status = at.get("status", 0)
    try:
        answer = client.groups(
            owners=owners, status=status, cursor=at.get("place", ""), limit=LISTED_AT_ONCE
        )
    except WecomRefusal as refusal:
        return _after_refusal(refusal, _begun(run, cursor), owners)
    cursor = _begun(run, cursor)
    following = {**at, "place": answer.next_cursor} if answer.next_cursor else _next(at, owners)
    statuses = {each.chat_id: each.status for each in answer.items}
    unread = _not_read_yet(run, answer.items, datetime.fromisoformat(cursor["since"]))

    def write() -> Mapping[str, int]:
        mark_statuses(run.connection, statuses)
        return {"expected": len(unread)}

    return Page(write, {**cursor, "at": following, "unread": unread})


def _begun(run: SyncRun, cursor: dict[str, Any]) -> dict[str, Any]:
    """After the first answer, by which we know what time it is there."""
    if "since" in cursor:
        return cursor
    return {**cursor, "since": platform_now(run.connection).isoformat()}


def _owners(connection: WecomConnection, client: WecomClient, at: Place) -> list[str]:
    """The next ones to ask about: who may own groups now, and who owned one when we last looked."""
    chats = GroupChat.objects.filter(channel_account=connection.account_id).live()
    known = chats.exclude(owner_userid="").values_list("owner_userid", flat=True).distinct()
    everybody = sorted({*client.follow_users(), *known})
    left = [userid for userid in everybody if userid > at.get("after", "")]
    alone = bool(left) and left[0] <= at.get("one_by_one", "")
    return left[: 1 if alone else OWNERS_AT_ONCE]


def _next(at: Place, owners: Sequence[str]) -> Place:
    """Where to go on after the end of a list."""
    match at["phase"]:
        case str(phase) if phase == BY_OWNER:
            alone = {"one_by_one": at["one_by_one"]} if "one_by_one" in at else {}
            return {"phase": BY_OWNER, "after": owners[-1], **alone}
        case str(phase) if phase == RESIGNED and at["status"] < len(STATUSES) - 1:
            return {"phase": RESIGNED, "status": at["status"] + 1}
        case str(phase) if phase == RESIGNED:
            return {"phase": UNLISTED}
    return {"phase": RESIGNED, "status": 1}


def _after_refusal(refusal: WecomRefusal, cursor: dict[str, Any], owners: Sequence[str]) -> Page:
    at: Place = cursor["at"]
    restarts = at.get("restarts", 0)
    words = ""
    if refusal.code == BAD_CURSOR and restarts < MOST_RESTARTS:
        following = {**at, "place": "", "restarts": restarts + 1}
    elif refusal.code == TOO_MANY_PEOPLE and at["phase"] == ALL:
        following = {"phase": BY_OWNER}
    elif refusal.code == TOO_MANY_PEOPLE and at["phase"] == RESIGNED:
        following = _next(at, owners)
        words = _("企业人数太多，平台不列出离职群主的群；已登记的仍逐个读取。")
    elif refusal.code in NOT_OF_ALL and len(owners) > 1:
        following = {**at, "one_by_one": owners[-1], "place": ""}
    elif refusal.code in NOT_OF_ALL and owners:
        following = _next(at, owners)
    else:
        raise refusal
    return Page(dict, {**cursor, "at": following}, partial=words)


def _not_read_yet(
    run: SyncRun, listed: Sequence[GroupListing], since: datetime
) -> list[tuple[str, int]]:
    """A chat may stand in two lists; what was read in this run is not read twice."""
    read = _chats(run.connection).filter(
        external_id__in=[each.chat_id for each in listed], read_at__gte=since
    )
    known = set(read.values_list("external_id", flat=True))
    return [(each.chat_id, each.status) for each in listed if each.chat_id not in known]


def _chats(connection: WecomConnection) -> GroupChatQuerySet:
    return GroupChat.objects.filter(channel_account=connection.account_id)


def mark_statuses(connection: WecomConnection, statuses: Mapping[str, int]) -> None:
    """What the list says about the owners of chats, in one statement for each status."""
    for number, status in STATUSES.items():
        listed = [chat_id for chat_id, told in statuses.items() if told == number]
        if listed:
            chats = _chats(connection).filter(external_id__in=listed)
            chats.exclude(platform_status=status).update(platform_status=status)


# --- Reading --------------------------------------------------------------------------------------


class _Reader:
    """Reads what was listed, and the next few chats while those before are written."""

    def __init__(self, run: SyncRun, fetcher: Fetcher) -> None:
        self.run, self.fetcher = run, fetcher
        self.ahead: dict[str, Callable[[], Fetched[GroupDetail]]] = {}  # by the first of them

    def page(self, cursor: dict[str, Any]) -> Page:
        batch, rest = cursor["unread"][:READ_AT_ONCE], cursor["unread"][READ_AT_ONCE:]
        wait = self.ahead.pop(batch[0][0], None) or self.begin(batch)
        fetched = wait()
        read_at = platform_now(self.run.connection) - timedelta(seconds=fetched.seconds_ago)
        if rest:
            self.ahead[rest[0][0]] = self.begin(rest[:READ_AT_ONCE])
        details = [found for _, found in fetched.found if isinstance(found, GroupDetail)]
        write = partial(_write, self.run, details, dict(batch), read_at=read_at)
        return Page(write, {**cursor, "unread": rest})

    def begin(self, batch: Sequence[tuple[str, int]]) -> Callable[[], Fetched[GroupDetail]]:
        chat_ids = [chat_id for chat_id, _status in batch]
        return self.fetcher.ahead(WecomClient.group, chat_ids, spared=DISSOLVED | INVISIBLE)


def _write(
    run: SyncRun,
    details: Sequence[GroupDetail],
    statuses: Mapping[str, int],
    *,
    read_at: datetime,
) -> Mapping[str, int]:
    counts = record_chat_readings(
        run.connection, details, read_at=read_at, observed_by=ObservedBy.SYNC
    )
    mark_statuses(run.connection, statuses)
    told = asdict(counts)
    return {"seen": told.pop("chats"), **told}


# --- What no list has shown -----------------------------------------------------------------------


def _unlisted(run: SyncRun, since: datetime) -> QuerySet[GroupChat]:
    unread = _chats(run.connection).live().filter(Q(read_at=None) | Q(read_at__lt=since))
    return unread.order_by("pk")


def _unlisted_page(run: SyncRun, fetcher: Fetcher, cursor: dict[str, Any]) -> Page:
    at: Place = cursor["at"]
    unlisted = _unlisted(run, datetime.fromisoformat(cursor["since"]))
    if "after" not in at and (page := _refused_page(run, unlisted.count(), cursor)):
        return page
    batch = dict(
        unlisted.filter(pk__gt=at.get("after", 0)).values_list("external_id", "pk")[:READ_AT_ONCE]
    )
    if not batch:
        return Page(dict, {**cursor, "at": {"phase": DONE}})
    answers = fetcher.each(WecomClient.group, list(batch), spared=DISSOLVED | INVISIBLE)
    read_at = platform_now(run.connection)
    details = [found for _, found in answers if isinstance(found, GroupDetail)]
    refused = {id_: found.code for id_, found in answers if isinstance(found, WecomRefusal)}
    gone = [chat_id for chat_id, code in refused.items() if code in DISSOLVED]

    def write() -> Mapping[str, int]:
        counts = _write(run, details, {}, read_at=read_at)
        for chat_id in gone:
            close_vanished_chat(run.connection, chat_id, at=read_at, exact=False)
        invisible = len(refused) - len(gone)
        return {**counts, "expected": len(details), "closed": len(gone), "left_out": invisible}

    return Page(write, {**cursor, "at": {"phase": UNLISTED, "after": max(batch.values())}})


def _refused_page(run: SyncRun, unlisted: int, cursor: dict[str, Any]) -> Page | None:
    known = _chats(run.connection).live().count()
    if not is_mass_disappearance(unlisted, known=known):
        return None
    words = _("%(count)d 个群从列表里消失，太多了，没有当真：请检查应用的权限和可见范围。")
    return Page(
        partial(dict, unseen=unlisted),
        {**cursor, "at": {"phase": DONE}},
        partial=words % {"count": unlisted},
    )
