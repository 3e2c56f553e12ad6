"""What one may do with an application at this moment."""

from __future__ import annotations

from datetime import datetime

from members.models import EntryApplication
from members.rules.status import ApplicationStatus, may_become
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability

ACTIONS = ("claim", "release", "approve", "reject", "undo", "withdraw")


def is_claimed_by_another(application: EntryApplication, user: User, *, now: datetime) -> bool:
    until = application.claimed_until
    return until is not None and until > now and application.claimed_by_id != user.pk


def may_be_undone(application: EntryApplication, user: User, *, now: datetime) -> bool:
    until = application.settles_at
    return until is not None and until > now and application.decided_by_id == user.pk


def is_overdue(application: EntryApplication, *, now: datetime) -> bool:
    due = application.review_due_at
    in_review = application.status == ApplicationStatus.IN_REVIEW
    return in_review and due is not None and due <= now


def possible_actions(application: EntryApplication, user: User, *, now: datetime) -> list[str]:
    """The verbs that would not be refused; nothing is promised about the next moment."""
    possible: set[str] = set()
    if user.can(Capability.REVIEW_APPLICATIONS):
        possible |= _of_a_reviewer(application, user, now=now)
    can_withdraw = may_become(application.status, ApplicationStatus.WITHDRAWN)
    if can_withdraw and user.can(Capability.MANAGE_MEMBERS):
        possible.add("withdraw")
    return [action for action in ACTIONS if action in possible]


def _of_a_reviewer(application: EntryApplication, user: User, *, now: datetime) -> set[str]:
    if may_be_undone(application, user, now=now):
        return {"undo"}
    if application.status != ApplicationStatus.IN_REVIEW:
        return set()
    if is_claimed_by_another(application, user, now=now):
        return set()
    is_mine = application.claimed_by_id == user.pk and application.claimed_until is not None
    return {"claim", "approve", "reject"} | ({"release"} if is_mine else set())
