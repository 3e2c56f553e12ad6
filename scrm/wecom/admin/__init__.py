from scrm.wecom.admin.api_quota import ApiQuotaAdmin
from scrm.wecom.admin.channel_account import ChannelAccountAdmin
from scrm.wecom.admin.connection import WecomConnectionAdmin
from scrm.wecom.admin.inbound_event import InboundEventAdmin
from scrm.wecom.admin.read_request import ReadRequestAdmin
from scrm.wecom.admin.sync_run import SyncRunAdmin

__all__ = [
    "ApiQuotaAdmin",
    "ChannelAccountAdmin",
    "InboundEventAdmin",
    "ReadRequestAdmin",
    "SyncRunAdmin",
    "WecomConnectionAdmin",
]
