from members.models.activity import ActivityCoverage, ActivityEvent, ActivityKey, MemberDay
from members.models.churn import ChurnScore, ScoringRun
from members.models.entry_application import EntryApplication
from members.models.import_run import ImportRun
from members.models.member import Member, MemberIdentity
from members.models.membership import Membership, Stay
from members.models.purchase import Purchase

__all__ = [
    "ActivityCoverage",
    "ActivityEvent",
    "ActivityKey",
    "ChurnScore",
    "EntryApplication",
    "ImportRun",
    "Member",
    "MemberDay",
    "MemberIdentity",
    "Membership",
    "Purchase",
    "ScoringRun",
    "Stay",
]
