"""Taking callbacks in: is it the platform, is it for this company, is it stored.

Nothing here needs Redis, and one statement stores a callback. Whoever calls learns only whether it
was taken; why not is for our own log.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from itertools import product

from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.crypto import encrypt
from scrm.wecom.errors import EventIsNotReplayable, PayloadIsGone
from scrm.wecom.models import InboundEvent, WecomConnection
from scrm.wecom.rules.callback_crypto import CipherError, decrypt, is_signed
from scrm.wecom.rules.envelopes import Told, Unreadable, dedupe_key, encrypted_of, event_of
from scrm.wecom.rules.status import EventState
from scrm.wecom.services.connections import callback_verified
from scrm.wecom.services.platform_clock import clock_ahead

FRESH_SECONDS = 1.0
READ = (
    "enterprise_id",
    "platform",
    "corp_id",
    "clock_ahead",
    "callback_token",
    "callback_aes_key",
    "former_callback_token",
    "former_callback_aes_key",
)
KEPT = 4096  # keys; unknown ones count too, so guessing cannot fill the memory
_KEY = re.compile(r"[A-Za-z0-9_-]{1,43}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)

STORE = """
INSERT INTO wecom_inboundevent
    (enterprise_id, connection_id, dedupe_key, event, change_type, detail, subject, occurred_at,
     payload)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (connection_id, dedupe_key) DO NOTHING
"""


class NotTaken(Exception):
    """``reason`` must not reach whoever called."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Signed:
    """What the address of a callback says besides its key."""

    signature: str
    timestamp: str
    nonce: str


# --- Whom a key belongs to ------------------------------------------------------------------------


class Listeners:
    """Connections by callback key, kept in this process so that a burst of callbacks, or of
    attempts to forge some, costs no queries."""

    def __init__(self) -> None:
        self.kept: OrderedDict[str, tuple[float, WecomConnection | None]] = OrderedDict()
        self.lock = threading.Lock()

    def of(self, key: str, *, fresh: bool = False) -> WecomConnection | None:
        """The connection that listens at this key, if it is in use, as it was some seconds ago at
        most; with ``fresh`` a second ago."""
        longest = settings.WECOM_LISTENER_SECONDS
        briefest = min(longest, FRESH_SECONDS)
        now = time.monotonic()
        with self.lock:
            read_at, connection = self.kept.get(key, (-math.inf, None))
        if now < read_at + (briefest if fresh or connection is None else longest):
            return connection
        connection = WecomConnection.objects.in_use().only(*READ).filter(callback_key=key).first()
        with self.lock:
            self.kept[key] = now, connection
            self.kept.move_to_end(key)
            while len(self.kept) > KEPT:
                self.kept.popitem(last=False)
        return connection


LISTENERS = Listeners()


# --- What it says ---------------------------------------------------------------------------------


def open_callback(key: str, signed: Signed, encrypted: str) -> tuple[WecomConnection, bytes, bool]:
    """Who is spoken to, the hidden message, and whether the present secrets opened it (not the
    former ones). Raises ``NotTaken``.

    What does not match is looked at again with secrets read anew, in case they just changed.
    """
    if not _KEY.fullmatch(key):
        raise NotTaken("no such address")
    if not _TIMESTAMP.fullmatch(signed.timestamp):
        raise NotTaken("too old or too new")
    try:
        return _opened(LISTENERS.of(key), signed, encrypted)
    except NotTaken:
        return _opened(LISTENERS.of(key, fresh=True), signed, encrypted)


def _opened(
    connection: WecomConnection | None, signed: Signed, encrypted: str
) -> tuple[WecomConnection, bytes, bool]:
    if connection is None:
        raise NotTaken("unknown or paused")
    if not _is_recent(connection, signed.timestamp):
        raise NotTaken("too old or too new")
    tokens = _present(connection.callback_token, connection.former_callback_token)
    aes_keys = _present(connection.callback_aes_key, connection.former_callback_aes_key)
    reason = "wrong signature"
    for token, aes_key in product(tokens, aes_keys):
        if not _matches(token, signed, encrypted):
            continue
        try:
            message = decrypt(aes_key, encrypted, connection.corp_id)
        except CipherError as error:
            reason = error.reason
        else:
            return connection, message, (token, aes_key) == (tokens[0], aes_keys[0])
    raise NotTaken(reason)


def _present(current: str, former: str) -> list[str]:
    return [each for each in (current, former) if each]


def _matches(token: str, signed: Signed, encrypted: str) -> bool:
    return is_signed(
        signed.signature,
        token=token,
        timestamp=signed.timestamp,
        nonce=signed.nonce,
        encrypted=encrypted,
    )


def _is_recent(connection: WecomConnection, timestamp: str) -> bool:
    """By the world's time or by that of a simulated platform: of its clock having been moved we
    hear only when we call it, and our simulator signs by the world's."""
    since = time.time() - int(timestamp)
    ahead = clock_ahead(connection).total_seconds()
    return min(abs(since), abs(since + ahead)) <= settings.WECOM_CLOCK_SKEW


# --- What becomes of it ---------------------------------------------------------------------------


def verify_address(key: str, signed: Signed, encrypted: str) -> bytes:
    """The text that the platform wants to read back when somebody saves our address there.

    Raises ``NotTaken``.
    """
    connection, message, is_current = open_callback(key, signed, encrypted)
    if is_current:
        callback_verified(connection)
    return message


def take_callback(key: str, signed: Signed, body: bytes) -> bool:
    """Store a callback; False when we have it already. Raises ``NotTaken`` and the database's
    errors, so that nothing is answered as taken that is not stored."""
    try:
        connection, message, _current = open_callback(key, signed, encrypted_of(body))
        told = event_of(message)
    except Unreadable as error:
        raise NotTaken(error.reason) from None
    return store_callback(connection, told, message)


def store_callback(connection: WecomConnection, told: Told, message: bytes) -> bool:
    """Store what was told, in one statement; False when we have it already."""
    row = (
        connection.enterprise_id,
        connection.pk,
        dedupe_key(told, message),
        told.event[:64],
        told.change_type[:64],
        told.detail[:64],
        told.subject[:128],
        told.occurred_at,
        encrypt(message.decode("utf-8-sig")),
    )
    with database.cursor() as cursor:
        cursor.execute(STORE, row)
        return bool(cursor.rowcount)


# --- Trying again ---------------------------------------------------------------------------------

STATE = ("state", "reason", "attempt_count", "due_at", "token", "settled_at")


@transaction.atomic
def replay_event(event_id: int, *, actor: User) -> InboundEvent:
    """Have a callback that failed or was ignored processed once more, from the beginning."""
    rows = InboundEvent.objects.visible_to(actor).select_for_update(no_key=True)
    event = rows.get(pk=event_id)
    if event.state not in {EventState.FAILED, EventState.IGNORED}:
        raise EventIsNotReplayable(_("这条回调没有失败，也没有被忽略，不需要重新处理。"))
    if not event.payload:
        raise PayloadIsGone(_("原文已到期清除，不能重新处理。请同步这个企业。"))
    before = snapshot(event, ["state", "reason"])
    event.state, event.reason, event.attempt_count = EventState.WAITING, "", 0
    event.due_at, event.token, event.settled_at = Now(), None, None
    event.save(update_fields=STATE)
    event.refresh_from_db(fields=["due_at"])
    record_audit(
        actor,
        verb="replay_event",
        subject=event,
        before=before,
        after=snapshot(event, ["state", "reason"]),
    )
    return event
