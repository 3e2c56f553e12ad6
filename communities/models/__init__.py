from communities.models.classification import ClassificationAxis, ClassificationValue
from communities.models.community import Community
from communities.models.entry_policy import EntryPolicy
from communities.models.group_chat import GroupChat
from communities.models.tier import Tier, TierScheme

__all__ = [
    "ClassificationAxis",
    "ClassificationValue",
    "Community",
    "EntryPolicy",
    "GroupChat",
    "Tier",
    "TierScheme",
]
