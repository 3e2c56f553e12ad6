from communities.models.classification import (
    ClassificationAxis,
    ClassificationRule,
    ClassificationValue,
)
from communities.models.community import Community
from communities.models.entry_policy import EntryPolicy
from communities.models.group_chat import GroupChat
from communities.models.join_way import JoinRoute, JoinWay, JoinWayDay
from communities.models.owner_day import OwnerDay
from communities.models.ownership import OwnerChange, OwnershipPeriod, OwnershipViolation
from communities.models.resignation import ResignationCase
from communities.models.split_plan import SplitBranch, SplitPlan
from communities.models.tier import Tier, TierScheme
from communities.models.transfer import (
    OwnershipTransfer,
    TransferItem,
    TransferNotice,
    TransferQuota,
)
from communities.models.transfer_policy import PolicyReceiver, TransferPolicy

__all__ = [
    "ClassificationAxis",
    "ClassificationRule",
    "ClassificationValue",
    "Community",
    "EntryPolicy",
    "GroupChat",
    "JoinRoute",
    "JoinWay",
    "JoinWayDay",
    "OwnerChange",
    "OwnerDay",
    "OwnershipPeriod",
    "OwnershipTransfer",
    "OwnershipViolation",
    "PolicyReceiver",
    "ResignationCase",
    "SplitBranch",
    "SplitPlan",
    "Tier",
    "TierScheme",
    "TransferItem",
    "TransferNotice",
    "TransferPolicy",
    "TransferQuota",
]
