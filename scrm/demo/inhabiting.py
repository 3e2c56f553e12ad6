"""Putting the made-up members where they belong, with the history of their coming and going.

In bulk, because nobody was there to let them in one by one: what the verbs would have written is
written here, dated back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from random import Random

from communities.models import GroupChat
from communities.rules.status import ChatState
from communities.services.chats import register_group_chat
from members.models import Member, MemberIdentity, Membership, Stay
from members.models.member import IdentityKind
from members.rules.status import JoinSource, LeaveReason, ObservedBy
from scrm.demo.founding import Founded
from scrm.demo.moving_in import chat_id_of
from scrm.demo.people import Belonging, Person
from scrm.demo.world import COMMUNITIES, CommunitySpec
from scrm.shared.crypto import lookup_digest

BATCH = 2000
FILLED = 0.97  # how far one chat fills before the next one opens
LEAVE_REASONS = (LeaveReason.SELF,) * 6 + (LeaveReason.REMOVED, LeaveReason.UNKNOWN)


@dataclass(frozen=True)
class Arrival:
    """One belonging of one person, as it will be a membership."""

    member: Member
    belonging: Belonging


def register_people(founded: Founded, people: Iterable[Person]) -> dict[int, Member]:
    enterprise = founded.enterprise
    people = list(people)
    members = Member.objects.bulk_create(
        (
            Member(
                enterprise=enterprise,
                external_id=person.external_id,
                nickname=person.nickname,
                phone=person.phone,
                birthday=person.birthday,
                created_at=founded.now - timedelta(days=person.known, hours=2),
            )
            for person in people
        ),
        batch_size=BATCH,
    )
    MemberIdentity.objects.bulk_create(
        (
            MemberIdentity(
                enterprise=enterprise,
                member=member,
                kind=IdentityKind.PHONE,
                digest=lookup_digest(
                    member.phone, purpose=IdentityKind.PHONE, enterprise_id=enterprise.pk
                ),
            )
            for member in members
        ),
        batch_size=BATCH,
    )
    return {person.number: member for person, member in zip(people, members, strict=True)}


def settle_people(founded: Founded, people: Iterable[Person], members: dict[int, Member]) -> int:
    arrivals: dict[str, list[Arrival]] = {spec.code: [] for spec in COMMUNITIES}
    for person in people:
        for belonging in person.belongings:
            arrivals[belonging.community].append(Arrival(members[person.number], belonging))
    return sum(settle_community(founded, spec, arrivals[spec.code]) for spec in COMMUNITIES)


def settle_community(founded: Founded, spec: CommunitySpec, arrivals: list[Arrival]) -> int:
    """The first to come sit in the first chat, until it is full."""
    if spec.status == "draft":
        return 0
    random = Random(spec.code)
    arrivals.sort(key=lambda arrival: (-arrival.belonging.joined, arrival.member.pk))
    present = sum(arrival.belonging.left is None for arrival in arrivals)
    size = int(spec.chat_capacity * FILLED)
    chats = [
        open_chat(founded, spec, number) for number in range(1, max(1, ceil(present / size)) + 1)
    ]
    memberships = Membership.objects.bulk_create(
        (membership_of(founded, spec, arrival, random) for arrival in arrivals), batch_size=BATCH
    )
    stays, seated = [], 0
    for membership in memberships:
        chat = chats[min(seated // size, len(chats) - 1)]
        seated += membership.left_at is None
        stays.append(
            Stay(
                enterprise=founded.enterprise,
                membership=membership,
                member=membership.member,
                chat=chat,
                observed_by=ObservedBy.IMPORT,
                joined_at=membership.joined_at,
                left_at=membership.left_at,
                leave_reason=membership.leave_reason,
            )
        )
    Stay.objects.bulk_create(stays, batch_size=BATCH)
    for number, chat in enumerate(chats):
        chat.member_count = max(0, min(size, present - number * size))
        chat.state = ChatState.FULL if chat.member_count >= chat.capacity else ChatState.ACTIVE
        chat.save(update_fields=["member_count", "state"])
    return len(memberships)


def open_chat(founded: Founded, spec: CommunitySpec, number: int) -> GroupChat:
    return register_group_chat(
        channel_account=founded.carrier,
        external_id=chat_id_of(spec.code, number),
        actor=founded.admin,
        community=founded.communities[spec.code],
        name=f"{spec.name} {number} 群",
        owner=founded.staff[spec.owner],
        capacity=spec.chat_capacity,
    )


def membership_of(
    founded: Founded, spec: CommunitySpec, arrival: Arrival, random: Random
) -> Membership:
    joined_at = at_daytime(founded.now, arrival.belonging.joined, random)
    left_at = None
    if arrival.belonging.left is not None:
        left_at = max(at_daytime(founded.now, arrival.belonging.left, random), joined_at)
    return Membership(
        enterprise=founded.enterprise,
        member=arrival.member,
        community=founded.communities[spec.code],
        source=JoinSource.IMPORT,
        joined_at=joined_at,
        left_at=left_at,
        leave_reason=random.choice(LEAVE_REASONS) if left_at else "",
    )


def at_daytime(now: datetime, days_ago: int, random: Random) -> datetime:
    day = now - timedelta(days=days_ago)
    at = day.replace(hour=random.randint(8, 22), minute=random.randrange(60), second=0)
    return min(at, now)
