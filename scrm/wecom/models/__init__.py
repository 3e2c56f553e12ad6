from scrm.wecom.models.channel_account import ChannelAccount, ChannelKind

__all__ = ["ChannelAccount", "ChannelKind"]
