"""The operators' doors to campaigns; Django finds them by importing this package."""

from campaigns.admin import churn_alert

__all__ = ["churn_alert"]
