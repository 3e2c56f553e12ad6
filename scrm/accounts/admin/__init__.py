"""The operators' doors to accounts; Django finds them by importing this package."""

from scrm.accounts.admin import audit, operator_task, organisation, users

__all__ = ["audit", "operator_task", "organisation", "users"]
