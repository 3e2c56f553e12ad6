"""A session of calls for one company."""

from __future__ import annotations

import httpx

from scrm.wecom.client.customers import Customers
from scrm.wecom.client.directory import Directory
from scrm.wecom.client.groups import Groups
from scrm.wecom.client.handover import HandOver
from scrm.wecom.client.intercepts import InterceptRules
from scrm.wecom.client.join_ways import JoinWays
from scrm.wecom.client.media import MediaFiles
from scrm.wecom.client.messages import Messages
from scrm.wecom.client.tags import Tags
from scrm.wecom.client.welcomes import Welcomes
from scrm.wecom.models import WecomConnection


class WecomClient(
    Directory,
    Customers,
    Tags,
    Groups,
    HandOver,
    JoinWays,
    Messages,
    Welcomes,
    MediaFiles,
    InterceptRules,
):
    """All calls of one app of one company. Close it, or use it as a context manager."""


def client_for(
    connection: WecomConnection, *, transport: httpx.BaseTransport | None = None
) -> WecomClient:
    """A client for one session of work. ``transport`` is for tests and the simulator in process."""
    return WecomClient(connection, transport=transport)
