from members.models.activity import ActivityCoverage, ActivityEvent, ActivityKey, MemberDay
from members.models.blocklist import BlocklistEntry
from members.models.churn import ChurnScore, ScoringRun
from members.models.entry_application import EntryApplication
from members.models.evidence import Evidence
from members.models.follow import Follow
from members.models.import_run import ImportRun
from members.models.member import Member, MemberIdentity
from members.models.membership import Membership, Stay
from members.models.phone_verification import PhoneVerification
from members.models.purchase import Purchase
from members.models.split_invitation import SplitInvitation
from members.models.standing import (
    Consent,
    MemberClassification,
    MemberTag,
    Tag,
    TierAssignment,
    TierDue,
    TieringRun,
)

__all__ = [
    "ActivityCoverage",
    "ActivityEvent",
    "ActivityKey",
    "BlocklistEntry",
    "ChurnScore",
    "Consent",
    "EntryApplication",
    "Evidence",
    "Follow",
    "ImportRun",
    "Member",
    "MemberClassification",
    "MemberDay",
    "MemberIdentity",
    "MemberTag",
    "Membership",
    "PhoneVerification",
    "Purchase",
    "ScoringRun",
    "SplitInvitation",
    "Stay",
    "Tag",
    "TierAssignment",
    "TierDue",
    "TieringRun",
]
