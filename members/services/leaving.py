"""Leaving a community."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Greatest, Now
from django.utils.translation import gettext as _

from communities.models import Community
from communities.services.seating import release_seat
from members.errors import AlreadyLeft
from members.models import Membership
from members.signals import member_left, members_left
from scrm.accounts.models import User
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.audit import record_audit
from scrm.accounts.services.operator_tasks import settle_tasks

#: What somebody may have been asked to decide about a member of a community.
ABOUT_MEMBERSHIPS = (TaskKind.UNGATED_JOIN, TaskKind.REQUALIFICATION)


@transaction.atomic
def leave_community(membership_id: int, *, reason: str, actor: User | None) -> Membership:
    """End a membership and every stay of it, and give the places in the chats back."""
    community_id = Membership.objects.values_list("community_id", flat=True).get(pk=membership_id)
    Community.objects.select_for_update(no_key=True).get(pk=community_id)
    membership = Membership.objects.select_for_update(no_key=True).get(pk=membership_id)
    if membership.left_at is not None:
        raise AlreadyLeft(_("这位成员已经离开社群。"))
    stays = list(membership.stays.open().order_by("chat"))
    # the platform's clock, by which they came in, may be ahead of ours
    came_in_at = max([membership.joined_at, *(stay.joined_at for stay in stays)])
    membership.left_at = Greatest(Now(), Value(came_in_at))
    membership.leave_reason = reason
    membership.save(update_fields=["left_at", "leave_reason"])
    for stay in stays:
        stay.left_at = membership.left_at
        stay.leave_reason = reason
        stay.save(update_fields=["left_at", "leave_reason"])
        release_seat(stay.chat_id)
    record_audit(
        actor,
        verb="leave_community",
        subject=membership,
        before={"left_at": None},
        after={"left_at": membership.left_at, "leave_reason": reason},
    )
    _settle_tasks_about([membership.pk])
    member_left.send(sender=Membership, membership_id=membership.pk)
    return membership


def announce_departures(membership_ids: Sequence[int]) -> None:
    """These memberships have ended, all in one enterprise."""
    if not membership_ids:
        return
    _settle_tasks_about(membership_ids)
    members_left.send(sender=Membership, membership_ids=list(membership_ids))


def _settle_tasks_about(membership_ids: Sequence[int]) -> None:
    """Nobody has to decide about them any more."""
    ended = Membership.objects.filter(pk__in=membership_ids)
    for kind in ABOUT_MEMBERSHIPS:
        settle_tasks(kind, subjects=ended)
