"""When this happens, members does that."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.dispatch import receiver

from communities.rules.status import CommunityStatus
from communities.signals import community_moved
from members import tasks
from members.services.closing import dissolve_memberships, end_open_applications
from members.services.inviting_to_split import settle_gone, settle_joined
from members.signals import member_joined, member_left, split_started


@receiver(community_moved)
def end_with_the_community(*, community_id: int, after: str, **_: object) -> None:
    if after == CommunityStatus.CLOSING:
        end_open_applications(community_id)
    elif after == CommunityStatus.DISSOLVED:
        dissolve_memberships(community_id)


@receiver(member_joined)
def welcome_from_the_split(*, membership_id: int, **_: object) -> None:
    settle_joined(membership_id)


@receiver(member_left)
def stop_asking(*, membership_id: int, **_: object) -> None:
    settle_gone(membership_id)


@receiver(split_started)
def hurry_the_lists(*, plan_id: int, **_: object) -> None:
    transaction.on_commit(partial(tasks.list_split_invitations.delay, plan_id), robust=True)
