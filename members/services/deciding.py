"""Deciding applications: by the rules at once, by a person after the time to think again."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import Community
from members.models import EntryApplication
from members.rules.reviewing import EVIDENCE_DEADLINE
from members.rules.status import UNDECIDED, ApplicationStatus
from members.selectors.evidence import missing_evidence
from members.services.admitting import seat
from members.services.applications import (
    announce,
    decide,
    locked_application,
    move_application,
    record,
)
from members.services.judging import Clauses, failures_in_words, judge, was_invited
from scrm.accounts.models import User
from scrm.shared.clock import database_now

logger = logging.getLogger(__name__)

EVALUATION_BATCH = 50  # the community is locked as long as a batch takes
SETTLING_LIMIT = 500


@transaction.atomic
def reconsider_application(application_id: int) -> EntryApplication:
    """Judge an undecided application again: its evidence arrived or the policy changed.

    Of a decided one nothing changes.
    """
    application = locked_application(application_id)
    if application.status in UNDECIDED:
        reconsider(application)
    return application


def reconsider(application: EntryApplication) -> None:
    """The same, for an application that is locked."""
    before = application.status
    evaluate(application, is_invited=was_invited(application), actor=None)
    if application.status != before:
        record(application, verb="reconsider_application", actor=None)


def evaluate(application: EntryApplication, *, is_invited: bool, actor: User | None) -> None:
    """Judge by the application's policy and go where that leads. ``actor`` is who invited."""
    was_pending = application.status == ApplicationStatus.EVIDENCE_PENDING
    application.status = ApplicationStatus.EVALUATING  # left again before anybody sees it
    verdict = judge(application, is_invited=is_invited, now=timezone.now())
    match verdict.status:
        case ApplicationStatus.EVIDENCE_PENDING:
            _ask_for_photos(application, verdict.clauses, keeps_deadline=was_pending)
        case ApplicationStatus.IN_REVIEW:
            _ask_a_person(application, verdict.clauses)
        case ApplicationStatus.APPROVED:
            decide(application, verdict.status, actor=actor, reason="", clauses=verdict.clauses)
            seat(application)
        case status:
            reason = failures_in_words(verdict.clauses, enterprise_id=application.enterprise_id)
            decide(application, status, actor=None, reason=reason, clauses=verdict.clauses)


def settle_due_decisions(*, limit: int = SETTLING_LIMIT) -> int:
    """Let the decisions of people take effect whose time to be undone is over."""
    due = EntryApplication.objects.filter(settles_at__lte=Now()).order_by("settles_at", "pk")
    settled = 0
    for application_id in due.values_list("pk", flat=True)[:limit]:
        try:
            settled += settle_decision(application_id)
        except Exception:  # the others must not wait for the one that cannot be settled
            logger.exception("cannot settle", extra={"application_id": application_id})
    return settled


@transaction.atomic
def settle_decision(application_id: int) -> bool:
    """Announce a decision that can no longer be undone, and seat whom it admits; False when
    there was nothing to settle, because somebody else did or the decision was undone."""
    application = locked_application(application_id)
    if application.settles_at is None or application.settles_at > database_now():
        return False
    application.settles_at = None
    application.save(update_fields=["settles_at"])
    announce(application)
    if application.status == ApplicationStatus.APPROVED:
        seat(application)
    return True


def apply_policy_to_undecided(community_id: int, policy_id: int) -> int:
    """A new version of the policy is in force: what is not decided is to be judged by it.

    One statement, however many wait; ``sweep_evaluations`` does the judging.
    """
    return (
        EntryApplication.objects.undecided()
        .filter(community=community_id)
        .update(policy=policy_id, status=ApplicationStatus.EVALUATING)
    )


def evaluate_waiting_applications(*, seconds: float = 20.0) -> int:
    """Judge those whose policy changed, community by community, in batches of their own.

    A community that somebody else works on is passed over. Whatever dies halfway leaves every
    application either decided or still waiting.
    """
    until = timezone.now() + timedelta(seconds=seconds)
    evaluated, failed = 0, set[int]()
    waiting = EntryApplication.objects.filter(status=ApplicationStatus.EVALUATING)
    for community_id in waiting.values_list("community_id", flat=True).distinct():
        while timezone.now() < until:
            done = _evaluate_batch(community_id, failed)
            evaluated += done
            if done == 0:
                break
    return evaluated


@transaction.atomic
def _evaluate_batch(community_id: int, failed: set[int]) -> int:
    """How many were judged; none when the community is busy or nobody waits any more."""
    communities = Community.objects.select_related("minimum_tier")
    community = (
        communities.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .filter(pk=community_id)
        .first()
    )
    if community is None:
        return 0
    waiting = list(
        EntryApplication.objects.select_for_update(no_key=True, of=("self",))
        .select_related("member__enterprise", "policy")
        .prefetch_related("policy__evidence_axes")
        .filter(community=community, status=ApplicationStatus.EVALUATING)
        .exclude(pk__in=failed)
        .order_by("submitted_at", "pk")[:EVALUATION_BATCH]
    )
    for application in waiting:
        application.community = community
        try:
            with transaction.atomic():
                reconsider(application)
        except Exception:  # the others must not wait for the one that cannot be judged
            failed.add(application.pk)
            logger.exception("cannot judge", extra={"application_id": application.pk})
    return len(waiting)


def _ask_for_photos(
    application: EntryApplication, clauses: Clauses, *, keeps_deadline: bool
) -> None:
    axes = "、".join(axis.name for axis in missing_evidence(application))
    keeps = keeps_deadline and application.expires_at is not None
    move_application(
        application,
        ApplicationStatus.EVIDENCE_PENDING,
        clauses=clauses,
        reason=_("请补充凭证：%(axes)s") % {"axes": axes},
        review_due_at=None,
        claimed_by=None,
        claimed_until=None,
        expires_at=application.expires_at if keeps else Now() + EVIDENCE_DEADLINE,
    )


def _ask_a_person(application: EntryApplication, clauses: Clauses) -> None:
    """What was in review before keeps its due time: a new policy does not buy time."""
    hours = timedelta(hours=application.policy.review_hours)
    move_application(
        application,
        ApplicationStatus.IN_REVIEW,
        clauses=clauses,
        reason="",
        review_due_at=application.review_due_at or Now() + hours,
        expires_at=None,
    )
