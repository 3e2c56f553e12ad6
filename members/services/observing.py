"""Taking note of what happened on the platform, whether or not it should have."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import Community, GroupChat
from communities.rules.kinds import EntryMode
from communities.services.seating import count_in
from members.criteria import explain, names_of
from members.errors import BelongsElsewhere, ChatWithoutCommunity, InTheFuture
from members.models import EntryApplication, Member, Membership, Stay
from members.rules.status import ApplicationStatus, JoinSource, ObservedBy
from members.selectors.blocklist import is_blocked
from members.services.admitting import enter_chat
from members.services.applications import announce
from members.services.judging import Clauses, standing_of
from members.signals import member_joined
from scrm.accounts.models import User
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.audit import record_audit
from scrm.accounts.services.operator_tasks import open_task

CLOCK_SKEW = timedelta(minutes=5)  # between the platform's clock and ours


@transaction.atomic
def observe_join(
    member: Member,
    *,
    chat: GroupChat,
    observed_by: str,
    actor: User | None = None,
    joined_at: datetime | None = None,
) -> Membership:
    """Somebody was seen in a chat: there is a membership and a stay, whatever our rules say.

    An approved application that waits is thereby fulfilled. Who enters a gated community without
    one, or is blocked, is marked as ungated, and somebody is asked to look into it. Seen again,
    or seen earlier than the last time that is known, nothing changes.
    """
    if joined_at is not None and joined_at > timezone.now() + CLOCK_SKEW:
        raise InTheFuture(_("入群时间在未来，请检查来源的时钟和时区。"))
    community = _locked_community(member, chat)
    known = _known_stay(member, chat, joined_at)
    if known is not None:
        return known.membership
    membership = _membership(member, community)
    if membership is not None:
        _open_stay(membership, chat, observed_by=observed_by, joined_at=joined_at)
        return membership
    membership = _enter(member, community, chat, observed_by=observed_by, joined_at=joined_at)
    record_audit(
        actor,
        verb="observe_join",
        subject=membership,
        after={"member": member, "chat": chat, "is_ungated": membership.is_ungated},
    )
    return membership


def _locked_community(member: Member, chat: GroupChat) -> Community:
    community_id = GroupChat.objects.values_list("community_id", flat=True).get(pk=chat.pk)
    if member.enterprise_id != chat.enterprise_id:
        raise BelongsElsewhere(_("成员和客户群不属于同一家企业。"))
    if community_id is None:
        raise ChatWithoutCommunity(_("这个客户群还没有归属社群，请先归属。"))
    return (
        Community.objects.select_for_update(no_key=True, of=("self",))
        .select_related("minimum_tier", "owner")
        .get(pk=community_id)
    )


def _known_stay(member: Member, chat: GroupChat, joined_at: datetime | None) -> Stay | None:
    """The stay in this chat that the sighting is about: one that is open, or one that ended only
    after this joining."""
    about = Q(left_at=None)
    if joined_at is not None:
        about |= Q(left_at__gte=joined_at)
    stays = Stay.objects.filter(about, member=member, chat=chat).select_related("membership")
    return stays.order_by("-pk").first()


def _membership(member: Member, community: Community) -> Membership | None:
    return Membership.objects.active().filter(member=member, community=community).first()


def _enter(
    member: Member,
    community: Community,
    chat: GroupChat,
    *,
    observed_by: str,
    joined_at: datetime | None,
) -> Membership:
    application = (
        EntryApplication.objects.select_for_update(no_key=True, of=("self",))
        .filter(member=member, community=community, status=ApplicationStatus.APPROVED)
        .first()
    )
    blocked = is_blocked(member.pk, community.pk)
    is_ungated = blocked or (application is None and _is_gated(community))
    came_by = JoinSource.IMPORT if observed_by == ObservedBy.IMPORT else JoinSource.PLATFORM
    membership = Membership.objects.create(
        enterprise_id=community.enterprise_id,
        member=member,
        community=community,
        source=application.source if application else came_by,
        joined_at=joined_at or Now(),
        is_ungated=is_ungated,
        qualified_at=None if is_ungated else Now(),
    )
    stay = _open_stay(
        membership, chat, observed_by=observed_by, joined_at=joined_at, application=application
    )
    if is_ungated:
        _ask_somebody(membership, community, chat, is_blocked=blocked)
    if application is None or blocked:
        member_joined.send(sender=Membership, membership_id=membership.pk, stay_id=stay.pk)
    else:
        _fulfil(application, stay)
    return membership


def _fulfil(application: EntryApplication, stay: Stay) -> None:
    """What was approved has happened, so it can no longer be undone either."""
    if application.settles_at is not None:
        announce(application)
    enter_chat(application, stay)


def _open_stay(
    membership: Membership,
    chat: GroupChat,
    *,
    observed_by: str,
    joined_at: datetime | None,
    application: EntryApplication | None = None,
) -> Stay:
    count_in(chat.pk)
    return Stay.objects.create(
        enterprise_id=membership.enterprise_id,
        membership=membership,
        member_id=membership.member_id,
        chat=chat,
        observed_by=observed_by,
        join_way_id=application.join_way_id if application else None,
        joined_at=joined_at or Now(),
    )


def _is_gated(community: Community) -> bool:
    if community.minimum_tier_id is not None:
        return True
    policy = community.entry_policies.active().first()
    if policy is None:
        return False
    return policy.mode != EntryMode.OPEN or policy.evidence_axes.exists()


def _ask_somebody(
    membership: Membership, community: Community, chat: GroupChat, *, is_blocked: bool
) -> None:
    member = membership.member
    policy = community.entry_policies.active().first()
    clauses: Clauses = []
    if policy is not None:
        clauses = standing_of(member, community, policy, now=timezone.now()).clauses
    names = names_of(clauses, enterprise_id=community.enterprise_id)
    words = {"name": member.nickname, "community": community.name}
    open_task(
        TaskKind.UNGATED_JOIN,
        subject=membership,
        title=_("%(name)s 未经准入进了“%(community)s”：请补办申请或请其离开") % words,
        details={
            "member": member.pk,
            "community": community.pk,
            "chat": chat.name,
            "is_blocked": is_blocked,
            "clauses": [explain(clause, names=names) for clause in clauses],
        },
        assignee=community.owner,
    )
