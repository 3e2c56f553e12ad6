"""A company on the simulator and the product beside it, in one process and without HTTP.

Callbacks are parsed and handed to the handler, groups are read from the company itself: what lies
between is proved elsewhere, and a story costs milliseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.utils import timezone

from members.rules.status import ObservedBy
from members.services.platform.chat_events import CHAT_EVENT, take_chat_events
from members.services.platform.closing import close_vanished_chat
from members.services.platform.readings import record_chat_readings
from scrm.wecom.client.parsing import parse
from scrm.wecom.client.results import GroupDetail
from scrm.wecom.models import ChannelKind, WecomConnection
from scrm.wecom.rules.envelopes import event_of
from scrm.wecom.simulator.world import World
from tests.accounts.factories import EnterpriseFactory
from tests.wecom.factories import ChannelAccountFactory

BEGINNING = datetime(2026, 3, 1, tzinfo=UTC)


class Company:
    """A corp whose callbacks are held, and the connection of an enterprise to it."""

    def __init__(self, *, enterprise=None, beginning=BEGINNING):
        self.corp = World(mode="hold").create_corp("某公司")
        self.corp.set_callback("http://127.0.0.1:9/", "token", "a" * 43, verify=False)
        self.corp.clock.set(beginning)
        self.enterprise = enterprise or EnterpriseFactory()
        account = ChannelAccountFactory(enterprise=self.enterprise, kind=ChannelKind.WECOM)
        self.connection = WecomConnection.objects.create(
            enterprise=self.enterprise,
            account=account,
            platform="simulator",
            corp_id=self.corp.corp_id,
            agent_id=self.corp.agent_id,
            app_secret="secret",
            callback_key=self.corp.corp_id,
            callback_token="token",
            callback_aes_key="a" * 43,
        )

    @property
    def now(self):
        return self.corp.clock.now()

    def wait(self, seconds):
        self.corp.clock.advance(seconds)

    # --- what reaches us --------------------------------------------------------------------------

    def events(self):
        """What was told of groups and not taken yet."""
        told = [self.event_of(each) for each in self.corp.outbox.take()]
        return [event for event in told if event.event == CHAT_EVENT]

    @staticmethod
    def event_of(callback):
        told = event_of(callback.xml)
        return told.as_event(row_id=callback.serial, received_at=timezone.now())

    def take(self, events=None):
        events = self.events() if events is None else events
        return take_chat_events(self.connection, events) if events else None

    def reading(self, chat_id):
        return parse(GroupDetail, self.corp.appearance(self.corp.groups[chat_id]))

    def read(self, *chat_ids, read_at=None, observed_by=ObservedBy.SYNC):
        """Read these chats, by default all; those that are gone are closed."""
        read_at = read_at or self.now
        groups = [self.corp.groups[each] for each in chat_ids or self.corp.groups]
        alive = [self.reading(group.chat_id) for group in groups if not group.dissolved_at]
        counts = record_chat_readings(
            self.connection, alive, read_at=read_at, observed_by=observed_by
        )
        for group in groups:
            if group.dissolved_at:
                close_vanished_chat(self.connection, group.chat_id, at=read_at, exact=False)
        return counts


def seconds_since(beginning, instant):
    return None if instant is None else int((instant - beginning) / timedelta(seconds=1))
