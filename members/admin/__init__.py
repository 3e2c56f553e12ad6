"""The operators' doors to members; Django finds them by importing this package."""

from members.admin import (
    activity,
    churn,
    entry_application,
    evidence,
    import_run,
    join_way,
    member,
    membership,
    purchase,
    split_invitation,
    split_plan,
    tier,
    tier_scheme,
)

__all__ = [
    "activity",
    "churn",
    "entry_application",
    "evidence",
    "import_run",
    "join_way",
    "member",
    "membership",
    "purchase",
    "split_invitation",
    "split_plan",
    "tier",
    "tier_scheme",
]
