"""Criteria over members: who meets one, and why somebody does or does not."""

from members.criteria.checking import check_member, matching
from members.criteria.measuring import Among, Measuring, matching_ids
from members.criteria.results import CheckResult, ClauseResult
from members.criteria.words import explain, names_of

__all__ = [
    "Among",
    "CheckResult",
    "ClauseResult",
    "Measuring",
    "check_member",
    "explain",
    "matching",
    "matching_ids",
    "names_of",
]
