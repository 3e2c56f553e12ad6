from scrm.wecom.admin.channel_account import ChannelAccountAdmin

__all__ = [
    "ChannelAccountAdmin",
]
