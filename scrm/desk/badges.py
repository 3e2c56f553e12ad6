"""How much waits behind the entries of the sidebar, counted at most every 15 seconds a user."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability
from scrm.desk import broadcasts, numbers, transfers
from scrm.desk.memory import remembered
from scrm.desk.numbers import Desk

KEPT = 15  # seconds; the sidebar is on every page


@dataclass(frozen=True)
class Badges:
    applications: int = 0
    tasks: int = 0
    alerts: int = 0
    approvals: int = 0
    transfers: int = 0


def badges(user: User) -> Badges:
    return remembered(f"badges:{user.pk}", lambda: counted(user), seconds=KEPT)


def counted(user: User) -> Badges:
    """Only what this user can do something about."""
    desk = Desk(user, timezone.now())
    reviews = user.can(Capability.REVIEW_APPLICATIONS)
    manages = user.can(Capability.MANAGE_COMMUNITIES)
    works = user.can(Capability.WORK_ALERTS)
    approves = user.can(Capability.APPROVE_CAMPAIGNS)
    lets_go = user.can(Capability.APPROVE_TRANSFERS)
    return Badges(
        applications=numbers.waiting_applications(desk).count if reviews else 0,
        tasks=numbers.open_tasks(desk).count if manages else 0,
        alerts=numbers.open_alerts(desk).now if works else 0,
        approvals=broadcasts.to_approve(desk).count if approves else 0,
        transfers=transfers.to_approve(desk).count if lets_go else 0,
    )
