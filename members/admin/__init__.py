"""The operators' doors to members; Django finds them by importing this package."""

from members.admin import entry_application, member, membership

__all__ = ["entry_application", "member", "membership"]
