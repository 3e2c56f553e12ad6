from members.models.activity import (
    ActivityCoverage,
    ActivityEvent,
    ActivityKey,
    DayCheck,
    DetachedMonth,
    MemberDay,
    StaffDay,
)
from members.models.blocklist import BlocklistEntry
from members.models.churn import ChurnScore
from members.models.daily_run import DailyRun
from members.models.entry_application import EntryApplication
from members.models.evidence import Evidence
from members.models.follow import Follow
from members.models.import_run import ImportPayload, ImportRejection, ImportRun
from members.models.insight import CommunityDay, StaleDay
from members.models.member import Member, MemberIdentity
from members.models.membership import Membership, Stay
from members.models.phone_verification import PhoneVerification
from members.models.prediction import ChurnForecast, PredictionModel, ScoreCheck
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
from members.models.value import MemberValue, PastValue, PurchaseDay, ValueCell

__all__ = [
    "ActivityCoverage",
    "ActivityEvent",
    "ActivityKey",
    "BlocklistEntry",
    "ChurnForecast",
    "ChurnScore",
    "CommunityDay",
    "Consent",
    "DailyRun",
    "DayCheck",
    "DetachedMonth",
    "EntryApplication",
    "Evidence",
    "Follow",
    "ImportPayload",
    "ImportRejection",
    "ImportRun",
    "Member",
    "MemberClassification",
    "MemberDay",
    "MemberIdentity",
    "MemberTag",
    "MemberValue",
    "Membership",
    "PastValue",
    "PhoneVerification",
    "PredictionModel",
    "Purchase",
    "PurchaseDay",
    "ScoreCheck",
    "SplitInvitation",
    "StaffDay",
    "StaleDay",
    "Stay",
    "Tag",
    "TierAssignment",
    "TierDue",
    "TieringRun",
    "ValueCell",
]
