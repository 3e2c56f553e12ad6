"""The operators' doors to accounts; Django finds them by importing this package."""

from scrm.accounts.admin import audit, organisation, users

__all__ = ["audit", "organisation", "users"]
