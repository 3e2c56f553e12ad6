"""Giving those who are admitted a place in a chat, as soon as there is one."""

from __future__ import annotations

import logging

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from communities.models import GroupChat, JoinWay
from communities.rules.status import OPEN_FOR_ENTRY
from communities.services.seating import take_seat
from members.errors import AlreadyMember
from members.models import EntryApplication, Membership, Stay
from members.rules.status import ApplicationStatus, ObservedBy
from members.rules.unmeasured import blocklist_clause
from members.selectors.blocklist import is_blocked
from members.services.applications import (
    decide,
    locked_application,
    membership_of,
    move_application,
)
from members.services.judging import failures_in_words
from members.signals import member_joined
from scrm.accounts.models import User
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.operator_tasks import settle_task
from scrm.shared.errors import refusing

logger = logging.getLogger(__name__)


def seat_waiting_applications(*, limit: int = 500) -> int:
    """Seat those who wait for room, oldest first, where there is room now."""
    room = GroupChat.objects.with_room().filter(community=OuterRef("community"))
    waiting = (
        EntryApplication.objects.waiting_for_room()
        .filter(Exists(room), community__status__in=OPEN_FOR_ENTRY)
        .order_by("submitted_at", "pk")
        .values_list("pk", "community_id")[:limit]
    )
    full: set[int] = set()
    seated = 0
    for application_id, community_id in waiting:
        if community_id in full:
            continue
        try:
            status = seat_waiting_application(application_id)
        except Exception:  # the others must not wait for the one that cannot be seated
            logger.exception("cannot seat", extra={"application_id": application_id})
            continue
        seated += status == ApplicationStatus.JOINED
        if status == ApplicationStatus.APPROVED:
            full.add(community_id)
    return seated


@transaction.atomic
def seat_waiting_application(application_id: int) -> str:
    """Seat one approved application if it still waits and there is room; tell how it stands."""
    application = locked_application(application_id)
    if application.status == ApplicationStatus.APPROVED and application.settles_at is None:
        seat(application)
    return application.status


def seat(application: EntryApplication) -> None:
    """Give an approved application a place in a chat, or say what it waits for.

    A block that came after the approval beats it. Call it with the application locked.
    """
    community = application.community
    if is_blocked(application.member_id, community.pk):
        reject_as_blocked(application, actor=None)
        return
    membership = membership_of(application)
    if membership is not None:
        _follow_up(application, membership)
        return
    if community.status not in OPEN_FOR_ENTRY:
        _wait(application, _("社群暂停接收新成员，恢复后自动入群。"))
        return
    chat = take_seat(community, prefer=_chats_of(application.join_way))
    if chat is None:
        has_chats = community.group_chats.live().exists()
        _wait(
            application,
            _("社群的客户群都满了，有空位时自动入群。")
            if has_chats
            else _("社群还没有客户群，分配后自动入群。"),
        )
        return
    _enter(application, chat)


def enter_chat(application: EntryApplication, stay: Stay) -> None:
    """The applicant has a stay: the application has reached its end."""
    move_application(
        application,
        ApplicationStatus.JOINED,
        reason="",
        membership=stay.membership,
        settles_at=None,
        expires_at=None,
    )
    member_joined.send(sender=Membership, membership_id=stay.membership_id, stay_id=stay.pk)


def reject_as_blocked(application: EntryApplication, *, actor: User | None) -> None:
    """A block beats whatever was found or decided before."""
    clauses = [blocklist_clause(), *application.clauses]
    decide(
        application,
        ApplicationStatus.REJECTED,
        actor=actor,
        clauses=clauses,
        reason=failures_in_words(clauses[:1], enterprise_id=application.enterprise_id),
    )


def _enter(application: EntryApplication, chat: GroupChat) -> None:
    community = application.community
    already_member = AlreadyMember(_("这位成员已在社群中，不需要再申请。"))
    with refusing(already_member, constraint="one_active_membership"):
        membership = Membership.objects.create(
            enterprise_id=community.enterprise_id,
            member=application.member,
            community=community,
            source=application.source,
            qualified_at=Now(),
        )
    stay = Stay.objects.create(
        enterprise_id=community.enterprise_id,
        membership=membership,
        member=application.member,
        chat=chat,
        join_way=application.join_way,
        observed_by=ObservedBy.PRODUCT,
        joined_at=membership.joined_at,
    )
    enter_chat(application, stay)


def _follow_up(application: EntryApplication, membership: Membership) -> None:
    """Approved when already in: it makes good an entry without one, and else is not needed."""
    if not membership.is_ungated:
        decide(
            application,
            ApplicationStatus.WITHDRAWN,
            actor=None,
            reason=_("这位成员已在社群中。"),
        )
        return
    membership.is_ungated = False
    membership.qualified_at = Now()
    membership.save(update_fields=["is_ungated", "qualified_at"])
    settle_task(TaskKind.UNGATED_JOIN, subject=membership)
    move_application(
        application,
        ApplicationStatus.JOINED,
        reason="",
        membership=membership,
        settles_at=None,
        expires_at=None,
    )


def _wait(application: EntryApplication, reason: str) -> None:
    application.reason = reason
    application.save(update_fields=["reason"])


def _chats_of(join_way: JoinWay | None) -> list[int]:
    """The chats that the link leads to, the weightiest first."""
    if join_way is None:
        return []
    return list(join_way.routes.order_by("-weight", "pk").values_list("chat_id", flat=True))
