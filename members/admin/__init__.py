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
]
