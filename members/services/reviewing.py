"""The review queue: taking an application, deciding it, and thinking again."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from communities.models import Community
from members.errors import (
    ClaimedByAnother,
    MemberIsBlocked,
    NothingToClaim,
    NotYourDecision,
    ReasonMissing,
    TooLateToUndo,
)
from members.models import EntryApplication
from members.rules.reviewing import CLAIM_LEASE, UNDO_SECONDS
from members.rules.status import ApplicationStatus
from members.selectors.blocklist import is_blocked
from members.services.applications import (
    cannot_decide,
    decide,
    locked_application,
    record,
    refuse_closed,
)
from members.services.deciding import reconsider
from scrm.accounts.models import User
from scrm.shared.clock import database_now

#: What a person's decision leads to; undone it can be only before it takes effect.
DECIDED = frozenset(
    {ApplicationStatus.APPROVED, ApplicationStatus.JOINED, ApplicationStatus.REJECTED}
)

# --- Whose turn it is -----------------------------------------------------------------------------


@transaction.atomic
def claim_next_application(*, actor: User, community: Community | None = None) -> EntryApplication:
    """Take the application that is due first and that nobody else is reviewing.

    Two reviewers never get the same one. Who has not decided the last one yet gets it again, with
    the time to decide it renewed.
    """
    waiting = EntryApplication.objects.visible_to(actor).in_review().unclaimed_by_others(actor)
    if community is not None:
        waiting = waiting.filter(community=community)
    mine = waiting.filter(claimed_by=actor, claimed_until__gt=Now())
    for queue in (mine, waiting):
        application = (
            queue.select_for_update(skip_locked=True, no_key=True, of=("self",))
            .order_by(F("review_due_at").asc(nulls_last=True), "submitted_at", "pk")
            .first()
        )
        if application is not None:
            return _claim(application, actor)
    raise NothingToClaim(_("没有等待审核的申请，或都有同事在处理。"))


@transaction.atomic
def claim_application(application_id: int, *, actor: User) -> EntryApplication:
    """Take this application; others are refused to decide it for a quarter of an hour."""
    application = _locked_alone(application_id)
    _refuse_others(application, actor)
    return _claim(application, actor)


@transaction.atomic
def release_application(application_id: int, *, actor: User) -> EntryApplication:
    """Give it back to the queue. Released already, nothing changes."""
    application = _locked_alone(application_id)
    _refuse_others(application, actor)
    application.claimed_by = application.claimed_until = None
    application.save(update_fields=["claimed_by", "claimed_until"])
    record(application, verb="release_application", actor=actor)
    return application


# --- Deciding -------------------------------------------------------------------------------------


@transaction.atomic
def approve_application(application_id: int, *, actor: User) -> EntryApplication:
    """Say yes after review. It takes effect when the time to undo it is over: then there is a
    seat, or the application waits for one."""
    application = locked_application(application_id)
    _refuse_others(application, actor)
    refuse_closed(application.community)
    if is_blocked(application.member_id, application.community_id):
        raise MemberIsBlocked(_("这位成员在黑名单里，请先解除，或拒绝申请。"))
    _decide(application, ApplicationStatus.APPROVED, reason="", actor=actor)
    record(application, verb="approve_application", actor=actor)
    return application


@transaction.atomic
def reject_application(application_id: int, *, reason: str, actor: User) -> EntryApplication:
    """Say no after review. The reason is for the applicant, so there has to be one."""
    if not reason.strip():
        raise ReasonMissing(_("请写明拒绝的理由，申请人会看到它。"))
    application = locked_application(application_id)
    _refuse_others(application, actor)
    _decide(application, ApplicationStatus.REJECTED, reason=reason.strip(), actor=actor)
    record(application, verb="reject_application", actor=actor)
    return application


@transaction.atomic
def undo_decision(application_id: int, *, actor: User) -> EntryApplication:
    """Take one's own decision back before it takes effect; the application is one's own again.

    If the policy changed meanwhile, it is judged by the new one.
    """
    application = locked_application(application_id)
    if application.decided_by_id is None or application.status not in DECIDED:
        raise cannot_decide(application)
    if application.decided_by_id != actor.pk:
        raise NotYourDecision(_("这是同事的决定，只有本人能撤销。"))
    if application.settles_at is None or application.settles_at <= database_now():
        raise TooLateToUndo(_("已超过 %(seconds)d 秒，决定已生效。") % {"seconds": UNDO_SECONDS})
    application.status = ApplicationStatus.IN_REVIEW
    application.reason = ""
    application.decided_by = application.decided_at = None
    application.settles_at = application.expires_at = None
    application.claimed_by = actor
    application.claimed_until = database_now() + CLAIM_LEASE
    application.save(
        update_fields=[
            "status", "reason", "decided_by", "decided_at", "settles_at", "expires_at",
            "claimed_by", "claimed_until",
        ]
    )  # fmt: skip
    record(application, verb="undo_decision", actor=actor)
    if not application.policy.is_active:
        _judge_by_the_policy_in_force(application)
    return application


def _decide(
    application: EntryApplication, status: ApplicationStatus, *, reason: str, actor: User
) -> None:
    if application.status != ApplicationStatus.IN_REVIEW:
        raise cannot_decide(application)
    undo_until = database_now() + timedelta(seconds=UNDO_SECONDS)
    decide(application, status, actor=actor, reason=reason, undo_until=undo_until)


def _judge_by_the_policy_in_force(application: EntryApplication) -> None:
    policy = application.community.entry_policies.active().first()
    if policy is not None:
        application.policy = policy
        application.save(update_fields=["policy"])
        reconsider(application)


def _claim(application: EntryApplication, actor: User) -> EntryApplication:
    if application.status != ApplicationStatus.IN_REVIEW:
        raise cannot_decide(application)
    application.claimed_by = actor
    application.claimed_until = database_now() + CLAIM_LEASE
    application.save(update_fields=["claimed_by", "claimed_until"])
    record(application, verb="claim_application", actor=actor)
    return application


def _locked_alone(application_id: int) -> EntryApplication:
    """Without its community: a claim decides nothing, and takes no second lock."""
    return (
        EntryApplication.objects.select_for_update(no_key=True, of=("self",))
        .select_related("claimed_by")
        .get(pk=application_id)
    )


def _refuse_others(application: EntryApplication, actor: User) -> None:
    holder, until = application.claimed_by, application.claimed_until
    if holder is None or until is None or holder.pk == actor.pk or until <= database_now():
        return
    name = holder.get_full_name() or holder.get_username()
    words = {"name": name, "time": until.astimezone(actor.enterprise.zone).strftime("%H:%M")}
    raise ClaimedByAnother(
        _("%(name)s 正在审核这个申请，到 %(time)s 为止。") % words,
        details={"claimed_by": name, "claimed_until": until.isoformat()},
    )
