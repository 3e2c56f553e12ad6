"""What it means for a community that people are in its chats now, whoever let them in.

Set by set, because a first reading of a chat finds hundreds at once. Call it with the communities
locked: they are the queue that everybody stands in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, Min, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import Community, EntryPolicy, GroupChat
from communities.rules.kinds import EntryMode
from members.criteria import explain, names_of
from members.models import BlocklistEntry, EntryApplication, Membership, Stay
from members.rules.status import ApplicationStatus
from members.services.admitting import enter_chat
from members.services.applications import announce
from members.services.judging import Clauses, standing_of
from members.signals import member_joined
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.operator_tasks import open_task
from scrm.shared.clock import database_now
from scrm.shared.rows import insert_rows

type Pair = tuple[int, int]  # community, member

WRITTEN = (
    "enterprise",
    "member",
    "community",
    "source",
    "joined_at",
    "is_ungated",
    "qualified_at",
    "left_at",
    "leave_reason",
)


@dataclass(slots=True)
class Arrival:
    """Somebody who belongs to a community since ``joined_at`` (None: now), by what was seen.

    Who has left again was there all the same. ``is_admitted``: by the operator who gave the whole
    chat to the community. ``is_told``: by a file from elsewhere, so nobody knows that they passed a
    gate, however old it is. ``application`` is what thereby comes true.
    """

    community: Community
    member_id: int
    source: str
    joined_at: datetime | None = None
    left_at: datetime | None = None
    leave_reason: str = ""
    is_admitted: bool = False
    is_told: bool = False
    application: EntryApplication | None = None
    is_blocked: bool = False
    membership: Membership | None = None

    @property
    def pair(self) -> Pair:
        return self.community.pk, self.member_id


def let_in(arrivals: Sequence[Arrival]) -> None:
    """Give each arrival a membership, marked where the community has a gate and they did not pass
    it. Announce them with ``announce_arrival`` once they have a stay."""
    if not arrivals:
        return
    here = [arrival for arrival in arrivals if arrival.left_at is None]
    applications, blocked = _approved(here), _blocked(here)
    gates = _gates({arrival.community.pk: arrival.community for arrival in arrivals}.values())
    now = database_now()
    for arrival in arrivals:
        arrival.is_blocked = arrival.pair in blocked
        if arrival.left_at is None:
            arrival.application = applications.get(arrival.pair)
        arrival.membership = _membership(arrival, gates, now)
    insert_rows([each.membership for each in arrivals if each.membership is not None], WRITTEN)


def announce_arrival(arrival: Arrival, stay: Stay) -> None:
    """Settle an arrival and tell the others."""
    assert arrival.membership is not None
    if not settle_arrival(arrival, stay):
        member_joined.send(sender=Membership, membership_id=arrival.membership.pk, stay_id=stay.pk)


def settle_arrival(arrival: Arrival, stay: Stay) -> bool:
    """Ask somebody about who passed no gate, and fulfil the application that waited: that, where
    there was one, also tells the others. Whether it did."""
    membership = arrival.membership
    assert membership is not None
    if membership.is_ungated:
        _ask_somebody(membership, arrival.community, stay.chat, is_blocked=arrival.is_blocked)
    if arrival.application is None or arrival.is_blocked:
        return False
    _fulfil(arrival.application, stay)
    return True


def _membership(arrival: Arrival, gates: dict[int, datetime | None], now: datetime) -> Membership:
    is_ungated = arrival.is_blocked or (
        arrival.application is None and _passed_a_gate(arrival, gates)
    )
    application = arrival.application
    return Membership(
        enterprise_id=arrival.community.enterprise_id,
        member_id=arrival.member_id,
        community=arrival.community,
        source=application.source if application else arrival.source,
        joined_at=arrival.joined_at or now,
        is_ungated=is_ungated,
        qualified_at=None if is_ungated or arrival.is_admitted else now,
        left_at=arrival.left_at,
        leave_reason=arrival.leave_reason,
    )


def _passed_a_gate(arrival: Arrival, gates: dict[int, datetime | None]) -> bool:
    """There was a gate when they came. Whoever was there before it did nothing wrong."""
    if arrival.is_admitted or arrival.community.pk not in gates:
        return False
    if arrival.is_told:
        return True
    since = gates[arrival.community.pk]
    return since is None or arrival.joined_at is None or arrival.joined_at >= since


def _gates(communities: Iterable[Community]) -> dict[int, datetime | None]:
    """The communities that do not let everybody in, and since when they have had rules at all."""
    axes = EntryPolicy.evidence_axes.through.objects.filter(entrypolicy=OuterRef("pk"))
    everybody = list(communities)
    policies = EntryPolicy.objects.filter(community__in=[each.pk for each in everybody])
    gated = set(
        policies.active()
        .filter(~Q(mode=EntryMode.OPEN) | Exists(axes))
        .values_list("community", flat=True)
    )
    gated |= {each.pk for each in everybody if each.minimum_tier_id is not None}
    if not gated:
        return {}
    since = dict(
        policies.filter(community__in=gated)
        .values_list("community")
        .annotate(since=Min("created_at"))
    )
    return {community: since.get(community) for community in gated}


def _approved(arrivals: Collection[Arrival]) -> dict[Pair, EntryApplication]:
    if not arrivals:
        return {}
    applications = (
        EntryApplication.objects.select_for_update(no_key=True, of=("self",))
        .filter(
            community__in={arrival.community.pk for arrival in arrivals},
            member__in={arrival.member_id for arrival in arrivals},
            status=ApplicationStatus.APPROVED,
        )
        .order_by("pk")
    )
    return {(each.community_id, each.member_id): each for each in applications}


def _blocked(arrivals: Collection[Arrival]) -> set[Pair]:
    if not arrivals:
        return set()
    communities = {arrival.community.pk for arrival in arrivals}
    entries = (
        BlocklistEntry.objects.in_force(timezone.now())
        .filter(Q(community=None) | Q(community__in=communities))
        .filter(member__in={arrival.member_id for arrival in arrivals})
    )
    blocked = entries.values_list("community", "member")
    return {
        (each, member) for only, member in blocked for each in ({only} if only else communities)
    }


def _fulfil(application: EntryApplication, stay: Stay) -> None:
    """What was approved has happened, so it can no longer be undone either."""
    if application.settles_at is not None:
        announce(application)
    enter_chat(application, stay)


def _ask_somebody(
    membership: Membership, community: Community, chat: GroupChat, *, is_blocked: bool
) -> None:
    member = membership.member
    policy = community.entry_policies.active().first()
    clauses: Clauses = []
    if policy is not None:
        clauses = standing_of(member, community, policy, now=timezone.now()).clauses
    names = names_of(clauses, enterprise_id=community.enterprise_id)
    words = {"name": member.nickname or _("一位新成员"), "community": community.name}
    open_task(
        TaskKind.UNGATED_JOIN,
        subject=membership,
        title=_("%(name)s 未经准入进了“%(community)s”：请补办申请或请其离开") % words,
        details={
            "member": member.pk,
            "community": community.pk,
            "chat": str(chat),
            "is_blocked": is_blocked,
            "clauses": [explain(clause, names=names) for clause in clauses],
        },
        assignee=community.owner,
    )
