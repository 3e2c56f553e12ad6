"""The operators' doors to communities; Django finds them by importing this package."""

from communities.admin import (
    classification,
    classification_rule,
    community,
    entry_policy,
    group_chat,
    ownership,
    resignation_case,
    staff_buttons,
    tier,
    transfer,
    transfer_item,
    transfer_policy,
)

__all__ = [
    "classification",
    "classification_rule",
    "community",
    "entry_policy",
    "group_chat",
    "ownership",
    "resignation_case",
    "staff_buttons",
    "tier",
    "transfer",
    "transfer_item",
    "transfer_policy",
]
