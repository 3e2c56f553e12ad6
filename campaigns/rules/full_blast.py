"""When a broadcast goes to nearly everybody, and how many have to agree to it.

A full blast is known to have cost a company a large part of its base; nobody sends one alone.
"""

from __future__ import annotations

from datetime import timedelta

from campaigns.rules.status import BroadcastTarget

#: Of fewer than these, "nearly everybody" says nothing.
SMALLEST_BASE = {BroadcastTarget.MEMBERS: 100, BroadcastTarget.CHATS: 20}

#: Two full blasts within this time need a reason that the approver accepts.
REPEATED_WITHIN = timedelta(days=7)

APPROVERS_OF_A_FULL_BLAST = 2


def is_full_blast(
    *, target: str, recipients: int, eligible: int, has_filter: bool, limit_percent: int
) -> bool:
    """Whether those in the audience are so many of all that could be reached, without a choice
    having been made: 80 of 100 are 80 %."""
    if has_filter or eligible < SMALLEST_BASE[BroadcastTarget(target)]:
        return False
    return recipients * 100 >= eligible * limit_percent


def approvals_needed(*, is_full_blast: bool) -> int:
    return APPROVERS_OF_A_FULL_BLAST if is_full_blast else 1
