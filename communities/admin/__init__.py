"""The operators' doors to communities; Django finds them by importing this package."""

from communities.admin import classification, community, entry_policy, group_chat, tier

__all__ = ["classification", "community", "entry_policy", "group_chat", "tier"]
