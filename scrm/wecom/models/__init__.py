from scrm.wecom.models.api_quota import ApiQuota
from scrm.wecom.models.channel_account import ChannelAccount, ChannelKind
from scrm.wecom.models.connection import WecomConnection
from scrm.wecom.models.inbound_event import InboundEvent
from scrm.wecom.models.read_request import ReadRequest
from scrm.wecom.models.sync_run import SyncRun

__all__ = [
    "ApiQuota",
    "ChannelAccount",
    "ChannelKind",
    "InboundEvent",
    "ReadRequest",
    "SyncRun",
    "WecomConnection",
]
