"""One chat, read because an event spoke of it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from members.rules.status import ObservedBy
from members.services.platform.closing import close_vanished_chat
from members.services.platform.readings import record_chat_readings
from scrm.wecom.client import WecomClient
from scrm.wecom.client.errors import WecomRefusal
from scrm.wecom.client.results import GroupDetail
from scrm.wecom.handlers import NotYet
from scrm.wecom.models import WecomConnection
from scrm.wecom.services.platform_clock import platform_now

#: There is no such group any more. What else refuses us a group may only hide it.
DISSOLVED = frozenset({40050, 49008})


class ChatReader:
    """A group with its members, once the platform shows the version that the event spoke of."""

    def fetch(self, client: WecomClient, external_id: str) -> GroupDetail:
        return client.group(external_id)

    @transaction.atomic
    def apply(
        self,
        connection: WecomConnection,
        found: GroupDetail,
        *,
        read_at: datetime,
        wanted_version: str,
    ) -> None:
        if wanted_version and found.member_version not in {"", wanted_version}:
            raise NotYet
        record_chat_readings(connection, [found], read_at=read_at, observed_by=ObservedBy.EVENT)

    @transaction.atomic
    def gone(self, connection: WecomConnection, external_id: str, *, refusal: WecomRefusal) -> None:
        if refusal.code in DISSOLVED:
            close_vanished_chat(connection, external_id, at=platform_now(connection), exact=False)
