"""Sending what both owners are told. Each notice is sent once: one whose outcome is unknown is not
repeated, one that the platform did not take for the moment waits."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils.translation import gettext, override

from communities.models import Community, GroupChat, TransferNotice
from communities.rules.transfer_notice_words import Share, notice_text
from communities.rules.transfers import NoticeState, Subject
from scrm.accounts.models import Staff
from scrm.accounts.models.enterprise import StaffPlatformStatus
from scrm.wecom.client import Kind, Outcome, WecomClient, WecomRefusal, client_for
from scrm.wecom.client.codes import words_for
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ConnectionState

logger = logging.getLogger(__name__)

SLICE_SECONDS = 5.0
MOST_TRIES = 6
FIRST_WAIT = timedelta(minutes=1)  # twice as long after each further try

# A worker that dies while it sends leaves a notice that may have arrived.
LOSE = """
UPDATE communities_transfernotice SET state = 'unknown', words = %(words)s, token = NULL,
    due_at = NULL
WHERE state = 'sending' AND due_at <= statement_timestamp()
"""

CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id FROM communities_transfernotice
    WHERE state = 'planned' AND due_at <= statement_timestamp()
    ORDER BY due_at, id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE communities_transfernotice notice SET
    state = 'sending',
    token = %(token)s,
    attempt_count = least(notice.attempt_count + 1, 1000),
    due_at = statement_timestamp() + make_interval(secs => %(lease)s)
FROM due
WHERE notice.id = due.id
RETURNING notice.id
"""

SETTLE = """
UPDATE communities_transfernotice SET
    state = %(state)s,
    words = %(words)s,
    token = NULL,
    due_at = statement_timestamp() + make_interval(secs => %(wait)s),
    sent_at = CASE WHEN %(state)s = 'sent' THEN statement_timestamp() END
WHERE id = %(id)s AND token = %(token)s AND state = 'sending'
"""

PARK = """
UPDATE communities_transfernotice SET
    due_at = greatest(due_at, statement_timestamp() + make_interval(secs => %(wait)s))
WHERE channel_account_id = %(account)s AND state = 'planned'
"""


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a notice. ``wait``: until it is tried again; ``parks``: with all the others
    of its company."""

    state: NoticeState
    words: str = ""
    wait: timedelta | None = None
    parks: bool = False


class Clients(ExitStack):
    """One session of calls for each company, for as long as a slice lasts."""

    def __init__(self) -> None:
        super().__init__()
        self._clients: dict[int, WecomClient] = {}

    def of(self, platform: WecomConnection) -> WecomClient:
        if platform.pk not in self._clients:
            self._clients[platform.pk] = self.enter_context(client_for(platform))
        return self._clients[platform.pk]


def send_due_notices(*, seconds: float = SLICE_SECONDS) -> bool:
    """Send what is due for a short while; whether there was still something to do. Outside a
    transaction."""
    ends_at = time.monotonic() + seconds
    with override(settings.LANGUAGE_CODE), Clients() as clients:
        give_up_lost()
        while time.monotonic() < ends_at:
            token = uuid4()
            notice_id = claim_notice(token)
            if notice_id is None:
                return False
            send_notice(notice_id, token, clients)
    return True


def give_up_lost() -> None:
    words = gettext("发送时中断，不知道是否已送达，不再重发。")
    with connection.cursor() as cursor:
        cursor.execute(LOSE, {"words": words})


def claim_notice(token: UUID) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"token": token, "lease": settings.LEASE_SECONDS})
        row = cursor.fetchone()
    return row[0] if row else None


def send_notice(notice_id: int, token: UUID, clients: Clients) -> None:
    """Hand over one that is claimed, and write down what became of it."""
    notice = TransferNotice.objects.select_related("staff", "transfer", "channel_account").get(
        pk=notice_id
    )
    try:
        ending = ending_of(notice, clients)
    except (OperationalError, InterfaceError):
        raise  # the database is away; the lease runs out
    except Exception:
        logger.exception("A notice broke.", extra={"notice_id": notice.pk})
        words = gettext("发送时程序出错，不知道是否已送达，不再重发。")
        ending = Ending(NoticeState.UNKNOWN, words)
    settle_notice(notice, token, ending)


def settle_notice(notice: TransferNotice, token: UUID, ending: Ending) -> None:
    wait = ending.wait.total_seconds() if ending.wait is not None else None
    with connection.cursor() as cursor:
        cursor.execute(
            SETTLE,
            {
                "id": notice.pk,
                "token": token,
                "state": ending.state.value,
                "words": ending.words[:300],
                "wait": wait,
            },
        )
        if ending.parks:
            cursor.execute(PARK, {"account": notice.channel_account_id, "wait": wait})


# --- One notice -----------------------------------------------------------------------------------


def ending_of(notice: TransferNotice, clients: Clients) -> Ending:
    if words := unreachable(notice.staff):
        return Ending(NoticeState.SKIPPED, words)
    platform = WecomConnection.objects.filter(account=notice.channel_account_id).first()
    if platform is None or not notice.channel_account.is_active:
        return Ending(NoticeState.SKIPPED, gettext("这个渠道账号没有连接企业微信。"))
    if platform.state == ConnectionState.PAUSED:
        return Ending(NoticeState.SKIPPED, gettext("企业微信连接已停用。"))
    userid, text = notice.staff.external_id, text_of(notice)
    try:
        answer = clients.of(platform).send_app_message(userids=[userid], text=text)
    except WecomRefusal as refusal:
        return after_refusal(notice, refusal)
    if userid.lower() in {each.lower() for each in answer.invalid_users}:
        words = gettext("企业微信找不到这个成员，或不在应用的可见范围内。")
        return Ending(NoticeState.FAILED, words)
    if userid.lower() in {each.lower() for each in answer.unlicensed_users}:
        return Ending(NoticeState.FAILED, gettext("这个成员没有接口许可，收不到应用消息。"))
    return Ending(NoticeState.SENT)


def unreachable(staff: Staff) -> str:
    """Why nothing can be sent to a colleague."""
    if not staff.is_active or staff.platform_status == StaffPlatformStatus.LEFT:
        return gettext("已离职，不通知。")
    if not staff.external_id:
        return gettext("没有平台账号，无法通知。")
    return ""


def after_refusal(notice: TransferNotice, refusal: WecomRefusal) -> Ending:
    words = words_for(refusal)
    if refusal.outcome is Outcome.UNKNOWN:
        return Ending(NoticeState.UNKNOWN, words)
    if refusal.outcome is Outcome.PERMANENT or notice.attempt_count >= MOST_TRIES:
        return Ending(NoticeState.FAILED, words)
    wait = FIRST_WAIT * 2 ** (notice.attempt_count - 1)
    wait = max(wait, timedelta(seconds=refusal.retry_after or 0))
    return Ending(NoticeState.PLANNED, words, wait, parks=refusal.kind is Kind.RATE)


def text_of(notice: TransferNotice) -> str:
    names = names_of(notice)
    shares = {}
    for subject, share in notice.counts.items():
        people: dict[str, int] = {}
        for person, count in share["people"].items():
            name = names["people"].get(int(person), "?")
            people[name] = people.get(name, 0) + count
        things = names.get(subject, {})
        shares[subject] = Share(people, [things[each] for each in share["first"] if each in things])
    return notice_text(
        f"{notice.transfer_id}-{notice.pk}",
        role=notice.role,
        shares=shares,
        reason=notice.transfer.reason,
    )


def names_of(notice: TransferNotice) -> dict[str, dict[int, str]]:
    """What people and things of a notice are called; chats without a name are left out."""
    shares = notice.counts
    people = {int(person) for share in shares.values() for person in share["people"]}
    chats, communities = (
        shares.get(subject, {}).get("first", []) for subject in (Subject.CHAT, Subject.COMMUNITY)
    )
    named = {
        "people": Staff.objects.filter(pk__in=people),
        Subject.CHAT.value: GroupChat.objects.filter(pk__in=chats).exclude(name=""),
        Subject.COMMUNITY.value: Community.objects.filter(pk__in=communities),
    }
    return {key: dict(rows.values_list("pk", "name")) for key, rows in named.items()}
