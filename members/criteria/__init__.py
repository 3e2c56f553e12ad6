"""Criteria over members: who meets one, and why somebody does or does not. And over chats."""

from members.criteria.chats import chat_holds, matching_chat_ids, matching_chats
from members.criteria.checking import check_member, matching
from members.criteria.measuring import Among, Measuring, matching_ids
from members.criteria.results import CheckResult, ClauseResult
from members.criteria.words import explain, names_of

__all__ = [
    "Among",
    "CheckResult",
    "ClauseResult",
    "Measuring",
    "chat_holds",
    "check_member",
    "explain",
    "matching",
    "matching_chat_ids",
    "matching_chats",
    "matching_ids",
    "names_of",
]
