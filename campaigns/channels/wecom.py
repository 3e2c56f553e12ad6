"""WeCom, where a message to customers or groups goes out when a colleague taps it in the app.

A call makes one task for one colleague (WeCom, page 92135). The platform has no keys: what became
of a call without an answer is looked up among the tasks it made meanwhile.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TypedDict

from campaigns.channels.protocol import (
    Channel,
    ChannelDown,
    ChannelError,
    Envelope,
    Outcome,
    OutcomeStatus,
    OutcomeUnknown,
    RateLimited,
    Receipt,
    Rejected,
)
from campaigns.channels.wecom_media import forget_uploads, kinds_of, platform_form
from campaigns.models import Dispatch
from campaigns.rules.status import DispatchStatus, RecipientKind
from members.models import Follow
from scrm.shared.clock import database_now
from scrm.wecom.client import InvalidArguments, Kind, WecomClient, WecomRefusal, client_for
from scrm.wecom.client import Outcome as CallOutcome
from scrm.wecom.client.messages import ChatType
from scrm.wecom.client.results import MassMessage
from scrm.wecom.models import ChannelAccount, WecomConnection
from scrm.wecom.rules import limits
from scrm.wecom.rules.status import ConnectionState
from scrm.wecom.services.connections import mark_connected, mark_failing
from scrm.wecom.services.platform_clock import clock_ahead, platform_now

logger = logging.getLogger(__name__)

CHAT_TYPES: dict[str, ChatType] = {RecipientKind.CHAT: "group", RecipientKind.MEMBER: "single"}

#: A call begins so late after the lease was taken, or not at all: somebody else looks for it once
#: the lease has ended, and must find it.
BEGUN_WITHIN = 8.0
#: The list of tasks shows a new one only after a while, so it is read twice.
LISTED_AFTER = timedelta(seconds=10)
#: The clocks of both sides may differ by so much.
CLOCK_MARGIN = timedelta(minutes=1)

MEDIA_EXPIRED = 40007
NOT_LISTED_YET = "not_listed_yet"

#: These concern the colleague who is asked to send, not the app: others can still be asked.
SENDER_FAULTS = frozenset(
    {40003, 40098, 40205, 41054, 50002, 60011, 60021, 60030, 60111, 84074, 92000, 301021}
)


class WecomChannel(Channel):
    can_send = True
    honours_key = False
    batch_limit = limits.MAX_MASS_CHATS
    call_timeout = 45.0  # of which a file may take the first seconds, and three tries the rest
    confirms = True
    one_sender = True
    one_text = True
    carries_attachments = True
    look_again_seconds = 2.0

    def batch_limit_of(self, recipient_kind: str) -> int:
        if recipient_kind == RecipientKind.MEMBER:
            return limits.MAX_MASS_CUSTOMERS
        return self.batch_limit

    def send(self, envelope: Envelope) -> Receipt:
        begun_at = time.monotonic()
        connection = connection_of(envelope.account)
        names = platform_names(envelope)
        if not names:
            return Receipt(tuple(outcomes_of(envelope, names, refused=())))
        try:
            with client_for(connection) as client:
                attachments = platform_form(client, envelope)
                if time.monotonic() - begun_at > BEGUN_WITHIN:
                    raise ChannelDown("media_is_slow")
                created = client.create_mass_message(
                    chat_type=CHAT_TYPES[envelope.recipient_kind],
                    sender=envelope.sender,
                    text=text_of(envelope),
                    attachments=attachments,
                    **receivers_of(envelope, names),
                )
        except InvalidArguments as error:
            logger.warning("A mass message is not fit to be sent.", extra={"field": error.field})
            raise Rejected("bad_content") from error
        except WecomRefusal as refusal:
            raise judged(refusal, connection, envelope) from refusal
        if connection.state == ConnectionState.FAILING:
            mark_connected(connection.pk)
        outcomes = tuple(outcomes_of(envelope, names, refused=created.unreachable))
        return Receipt(outcomes, created.msgid, platform_now(connection))

    def look_up(self, envelope: Envelope) -> Receipt | None:
        begun_at = time.monotonic()
        attempted_at = envelope.attempted_at
        if attempted_at is not None and database_now() - attempted_at < LISTED_AFTER:
            raise OutcomeUnknown(NOT_LISTED_YET)
        connection = connection_of(envelope.account)
        try:
            with client_for(connection) as client:
                found = find_task(client, envelope)
                if found is None:
                    time.sleep(self.look_again_seconds)
                    found = find_task(client, envelope)
        except WecomRefusal as refusal:
            raise judged(refusal, connection, envelope) from refusal
        if found is None:
            if time.monotonic() - begun_at > BEGUN_WITHIN:  # too late to send in this lease
                raise OutcomeUnknown(NOT_LISTED_YET)
            return None
        names = platform_names(envelope)
        outcomes = tuple(outcomes_of(envelope, names, refused=()))
        return Receipt(outcomes, found.msgid, found.created_at)


def connection_of(account: ChannelAccount) -> WecomConnection:
    connection = WecomConnection.objects.filter(account=account).first()
    if connection is None:
        raise Rejected("not_connected")
    if connection.state == ConnectionState.PAUSED:
        raise ChannelDown("connection_paused")
    return connection


def text_of(envelope: Envelope) -> str:
    """The one text of all; a task has no other."""
    texts = {message.body for message in envelope.messages}
    if len(texts) > 1:
        raise Rejected("texts_differ")
    return texts.pop()


def platform_names(envelope: Envelope) -> dict[str, str]:
    """What the platform calls these recipients: chats as we do, customers by the contact of the
    sender. Who is no contact any more is not in it."""
    refs = [message.recipient_ref for message in envelope.messages]
    if envelope.recipient_kind == RecipientKind.CHAT:
        return {ref: ref for ref in refs}
    contacts = Follow.objects.open().filter(
        channel_account=envelope.account,
        staff__external_id=envelope.sender,
        member__external_id__in=refs,
        member__enterprise=envelope.account.enterprise_id,
    )
    return dict(contacts.values_list("member__external_id", "external_userid"))


class Receivers(TypedDict, total=False):
    chat_ids: list[str]
    external_userids: list[str]


def receivers_of(envelope: Envelope, names: dict[str, str]) -> Receivers:
    ids = [names[m.recipient_ref] for m in envelope.messages if m.recipient_ref in names]
    if envelope.recipient_kind == RecipientKind.CHAT:
        return {"chat_ids": ids}
    return {"external_userids": ids}


def outcomes_of(
    envelope: Envelope, names: dict[str, str], *, refused: tuple[str, ...]
) -> Iterator[Outcome]:
    """What was taken awaits the colleague's word; what the platform named was not taken."""
    named = set(refused)
    for message in envelope.messages:
        ref = message.recipient_ref
        if ref not in names:
            yield Outcome(ref, OutcomeStatus.FAILED, "no_contact")
        elif names[ref] in named:
            yield Outcome(ref, OutcomeStatus.FAILED, "not_reachable")
        else:
            yield Outcome(ref, OutcomeStatus.AWAITING)


# --- Looking for what an earlier call has made ----------------------------------------------------


def find_task(client: WecomClient, envelope: Envelope) -> MassMessage | None:
    """The oldest task made since the first attempt for this sender and with these contents, that
    is nobody else's. While another call of the sender is unanswered too, it may be theirs."""
    alike = [task for task in listed(client, envelope) if is_alike(task, envelope)]
    ids = [task.msgid for task in alike]
    adopted = set(
        Dispatch.objects.filter(remote_id__in=ids)
        .exclude(pk=dispatch_of(envelope))
        .values_list("remote_id", flat=True)
    )
    free = [task for task in alike if task.msgid not in adopted]
    for task in sorted(free, key=lambda each: (each.created_at is None, each.created_at)):
        asked = client.mass_message_tasks(task.msgid).items
        if any(row.userid.lower() == envelope.sender.lower() for row in asked):
            if is_another_unanswered(envelope):
                raise OutcomeUnknown("alike_in_flight")
            return task
    return None


def is_another_unanswered(envelope: Envelope) -> bool:
    others = Dispatch.objects.filter(
        run__broadcast__channel_account=envelope.account,
        sender=envelope.sender,
        status=DispatchStatus.LEASED,
        attempted_at__isnull=False,
    )
    return others.exclude(pk=dispatch_of(envelope)).exists()


def listed(client: WecomClient, envelope: Envelope) -> Iterator[MassMessage]:
    start, end = window_of(client.connection, envelope.attempted_at)
    cursor = ""
    while True:
        page = client.mass_messages(
            chat_type=CHAT_TYPES[envelope.recipient_kind], start=start, end=end, cursor=cursor
        )
        yield from page.items
        cursor = page.next_cursor
        if not cursor:
            return


def window_of(
    connection: WecomConnection, attempted_at: datetime | None
) -> tuple[datetime, datetime]:
    """When the platform may have made it, by its clock. It lists at most a month."""
    now = platform_now(connection)
    longest = timedelta(days=30)
    began = now - longest if attempted_at is None else attempted_at + clock_ahead(connection)
    return max(now - longest, began - CLOCK_MARGIN), now + CLOCK_MARGIN


def is_alike(task: MassMessage, envelope: Envelope) -> bool:
    """The same text and attachments. A file may have been uploaded anew, so its id is not
    compared."""
    if not envelope.messages or task.text != text_of(envelope):
        return False
    return kinds_of(task.attachments) == kinds_of(envelope.attachments)


def dispatch_of(envelope: Envelope) -> int:
    return int(envelope.key.rpartition("-")[2])


# --- What a refusal means -------------------------------------------------------------------------


def judged(refusal: WecomRefusal, connection: WecomConnection, envelope: Envelope) -> ChannelError:
    """A refusal of the platform in the words of channels."""
    code = f"wecom_{refusal.code}" if refusal.code else "no_answer"
    if refusal.outcome is CallOutcome.UNKNOWN:
        return OutcomeUnknown(code)
    if refusal.kind is Kind.RATE:
        return RateLimited(refusal.retry_after or limits.PARKED_SECONDS)
    if refusal.kind is Kind.CONFIG and refusal.code not in SENDER_FAULTS:
        mark_failing(connection.pk, refusal.code)
        return ChannelDown(code)
    if refusal.code == MEDIA_EXPIRED:
        forget_uploads(envelope)
        return ChannelDown(code)
    if refusal.outcome is CallOutcome.RETRYABLE or not refusal.code:
        return ChannelDown(code)
    return Rejected(code)
