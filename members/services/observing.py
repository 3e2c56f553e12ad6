"""Taking note of what happened on the platform, whether or not it should have."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import Community, GroupChat
from communities.services.seating import count_in
from members.errors import BelongsElsewhere, ChatWithoutCommunity, InTheFuture
from members.models import Member, Membership, Stay
from members.rules.status import JoinSource, ObservedBy
from members.services.entering import Arrival, announce_arrival, let_in
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit

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
    if known is not None and known.membership is not None:
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
    came_by = JoinSource.IMPORT if observed_by == ObservedBy.IMPORT else JoinSource.PLATFORM
    arrival = Arrival(community, member.pk, came_by, joined_at)
    let_in([arrival])
    membership = arrival.membership
    assert membership is not None
    membership.member = member
    application = arrival.application
    stay = _open_stay(
        membership,
        chat,
        observed_by=observed_by,
        joined_at=joined_at,
        join_way_id=application.join_way_id if application else None,
    )
    announce_arrival(arrival, stay)
    return membership


def _open_stay(
    membership: Membership,
    chat: GroupChat,
    *,
    observed_by: str,
    joined_at: datetime | None,
    join_way_id: int | None = None,
) -> Stay:
    count_in(chat.pk)
    return Stay.objects.create(
        enterprise_id=membership.enterprise_id,
        membership=membership,
        member_id=membership.member_id,
        chat=chat,
        observed_by=observed_by,
        join_way_id=join_way_id,
        joined_at=joined_at or Now(),
    )
