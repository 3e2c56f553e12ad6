"""An application, locked, and its moves from state to state.

Whoever decides or seats locks the community first: it is the queue that everybody stands in, and
so two applications at once, or an application and a departure, take turns.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from communities.models import Community
from communities.rules.status import OPEN_FOR_ENTRY
from members.errors import CannotDecide, NotOpenForEntry
from members.models import EntryApplication, Membership
from members.rules.reviewing import SEAT_DEADLINE
from members.rules.status import ApplicationStatus, may_become
from members.signals import entry_decided
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit

MAX_REASON = 300


def locked_application(application_id: int) -> EntryApplication:
    """The application, with its community locked before it."""
    community_id = EntryApplication.objects.values_list("community_id", flat=True).get(
        pk=application_id
    )
    community = Community.objects.select_for_update(no_key=True).get(pk=community_id)
    application = (
        EntryApplication.objects.select_for_update(no_key=True, of=("self",))
        .select_related("member__enterprise", "policy", "claimed_by")
        .get(pk=application_id)
    )
    application.community = community
    return application


def move_application(
    application: EntryApplication, status: ApplicationStatus, **values: object
) -> None:
    """Refuse a move that does not exist; write the status and what comes with it."""
    if not may_become(application.status, status):
        raise cannot_decide(application)
    application.status = status
    for name, value in values.items():
        setattr(application, name, value)
    application.save(update_fields=["status", *values])


def cannot_decide(application: EntryApplication) -> CannotDecide:
    return CannotDecide(
        _("申请“%(status)s”，不能再这样处理。") % {"status": application.get_status_display()},
        details={"status": application.status},
    )


def decide(
    application: EntryApplication,
    status: ApplicationStatus,
    *,
    actor: User | None,
    reason: str,
    clauses: list[dict[str, object]] | None = None,
    undo_until: datetime | None = None,
) -> None:
    """End the waiting for a decision. One that can still be undone is not announced yet."""
    move_application(
        application,
        status,
        clauses=application.clauses if clauses is None else clauses,
        reason=reason[:MAX_REASON],
        decided_by=actor,
        decided_at=Now(),
        settles_at=undo_until,
        expires_at=Now() + SEAT_DEADLINE if status == ApplicationStatus.APPROVED else None,
        claimed_by=None,
        claimed_until=None,
    )
    if undo_until is None:
        announce(application)


def announce(application: EntryApplication) -> None:
    entry_decided.send(sender=EntryApplication, application_id=application.pk)


def refuse_closed(community: Community) -> None:
    if community.status not in OPEN_FOR_ENTRY:
        raise NotOpenForEntry(
            _("社群“%(status)s”，现在不接收新成员。") % {"status": community.get_status_display()},
            details={"status": community.status},
        )


def membership_of(application: EntryApplication) -> Membership | None:
    """That the applicant is in the community by now, whichever way."""
    return (
        Membership.objects.active()
        .filter(member=application.member_id, community=application.community_id)
        .first()
    )


def record(application: EntryApplication, *, verb: str, actor: User | None) -> None:
    record_audit(
        actor,
        verb=verb,
        subject=application,
        after={
            "status": application.status,
            "reason": application.reason,
            "member": application.member_id,
            "community": application.community_id,
            "policy": application.policy_id,
        },
    )
