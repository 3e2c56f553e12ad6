"""Mass messages: made by the API, sent when staff tap."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scrm.wecom.simulator.clock import BEIJING, DAY, day_start, month_key
from scrm.wecom.simulator.media import Medias
from scrm.wecom.simulator.refusals import Impossible
from scrm.wecom.simulator.state import verb

UNSENT, SENT = 0, 2
NOT_YET, ARRIVED, NO_CONTACT, TOO_MANY = 0, 1, 2, 3
REMINDERS = 3


@dataclass(slots=True)
class Recipient:
    """A customer or a group, as ``chat_type`` says; ``status`` as the record calls say it."""

    id: str
    status: int = NOT_YET
    send_time: int = 0


@dataclass(slots=True)
class Task:
    """What one staff member is asked to send. ``any_group``: he picks among his own."""

    userid: str
    recipients: list[Recipient]
    status: int = UNSENT
    send_time: int = 0
    any_group: bool = False


@dataclass(slots=True)
class MassMessage:
    msgid: str
    serial: int
    agent_id: int
    chat_type: str
    created_at: float
    text: str
    attachments: list[dict[str, Any]]
    tasks: dict[str, Task] = field(default_factory=dict)
    cancelled: bool = False
    reminded_at: list[int] = field(default_factory=list)


@dataclass(kw_only=True)
class MassMessages(Medias):
    """``received`` holds when a customer or a group got a mass message."""

    mass_messages: dict[str, MassMessage] = field(default_factory=dict)
    received: dict[str, list[int]] = field(default_factory=dict)
    reminders: int = 0

    # Rules --------------------------------------------------------------------------------------

    def has_enough(self, recipient: str) -> bool:
        """As many a month as it has days, or seven a week, or one a day."""
        now = self.clock.time()
        got = self.received.get(recipient, [])
        if self.settings.mass_messages == "day":
            return any(at >= day_start(now) for at in got)
        if self.settings.mass_messages == "week":
            weekday = datetime.fromtimestamp(now, BEIJING).weekday()
            return sum(at >= day_start(now) - weekday * DAY for at in got) >= 7
        month = datetime.fromtimestamp(now, BEIJING)
        this_month = sum(month_key(at) == month_key(now) for at in got)
        return this_month >= monthrange(month.year, month.month)[1]

    def last_talker(self, external_userid: str) -> str:
        """The staff member who talked to a customer last, empty without any."""
        contacts = [each for each in self.contacts_with(external_userid) if each.shown]
        return max(contacts, key=lambda each: each.last_talk_at).userid if contacts else ""

    def is_dispatching(self, message: MassMessage) -> bool:
        return self.clock.time() < message.created_at + self.settings.dispatching_seconds

    def is_listed(self, message: MassMessage) -> bool:
        return self.clock.time() >= message.created_at + self.settings.listing_seconds

    # What the API begins ------------------------------------------------------------------------

    def make_mass_message(
        self,
        agent_id: int,
        chat_type: str,
        text: str,
        attachments: list[dict[str, Any]],
        recipients: dict[str, list[str]],
    ) -> MassMessage:
        """``recipients`` by the staff who are asked to send to them; an empty list of groups
        lets the owner pick."""
        message = MassMessage(
            self.new_id("msg"),
            self.next_serial(),
            agent_id,
            chat_type,
            self.clock.time(),
            text,
            attachments,
        )
        for userid, ids in recipients.items():
            task = Task(userid, [Recipient(each) for each in ids])
            task.any_group = chat_type == "group" and not ids
            message.tasks[userid.lower()] = task
        self.mass_messages[message.msgid] = message
        return message

    # What people do -----------------------------------------------------------------------------

    @verb
    def tap_send(self, msgid: str, userid: str, *, only: Collection[str] | None = None) -> int:
        """A staff member taps "send", to everybody or to ``only`` some. Returns how many it
        reached."""
        if (message := self.mass_messages.get(msgid)) is None:
            raise Impossible(f"没有群发 {msgid}")
        task = message.tasks.get(userid.lower())
        if task is None or task.status == SENT or message.cancelled:
            raise Impossible(f"{userid} 没有待发送的群发，或已发送、已停止")
        if task.any_group:
            task.recipients = [Recipient(each) for each in self.own_groups(task.userid)]
        now, reached = self.clock.second(), 0
        for recipient in task.recipients:
            if only is not None and recipient.id not in only:
                continue
            recipient.status = self._outcome(message, task, recipient.id)
            recipient.send_time = now if recipient.status == ARRIVED else 0
            if recipient.status == ARRIVED:
                self.received.setdefault(recipient.id, []).append(now)
                reached += 1
        task.status, task.send_time = SENT, now
        return reached

    @verb
    def tap_all(self, msgid: str) -> int:
        """Everybody who was asked taps "send"."""
        if (message := self.mass_messages.get(msgid)) is None:
            raise Impossible(f"没有群发 {msgid}")
        waiting = [task.userid for task in message.tasks.values() if task.status == UNSENT]
        return sum(self.tap_send(msgid, userid) for userid in waiting)

    def own_groups(self, userid: str) -> list[str]:
        return [
            group.chat_id
            for group in self.groups.values()
            if group.owner == userid and not group.dissolved_at and not group.internal
        ]

    def _outcome(self, message: MassMessage, task: Task, recipient: str) -> int:
        if message.chat_type == "group":
            group = self.groups.get(recipient)
            gone = group is None or group.dissolved_at > 0 or group.owner != task.userid
        else:
            contact = self.contact(task.userid, recipient)
            gone = contact is None or contact.state != "friends"
        if gone:
            return NO_CONTACT
        return TOO_MANY if self.has_enough(recipient) else ARRIVED
