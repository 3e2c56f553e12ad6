"""What a preflight has to know about the items of a hand-over, in a constant number of queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, When

from communities.models import (
    ClassificationValue,
    Community,
    OwnershipTransfer,
    PolicyReceiver,
    ResignationCase,
    TransferItem,
    TransferPolicy,
)
from communities.rules.transfer_checks import Colleague, Standing, route_of, thing_refusal
from communities.rules.transfer_planning import Named, Policy, Thing
from communities.rules.transfers import ItemState, Route, Selection, Subject
from communities.services.transfers.eligibility import colleague_of
from communities.services.transfers.limits import hand_overs_of
from scrm.accounts.models import Department, Staff
from scrm.shared.clock import database_now
from scrm.wecom.models import WecomConnection
from scrm.wecom.services.platform_clock import clock_ahead

REPLANNED = (ItemState.PLANNED, ItemState.BLOCKED, ItemState.PENDING)


class Row(NamedTuple):
    """An item as it is planned, with what its chat or community says."""

    id: int
    subject: str
    state: str
    giver_id: int
    receiver_id: int | None
    policy_id: int | None
    selection: str
    reason: str
    route: str
    channel_account_id: int | None
    chat_id: int | None
    external_userid: str
    chat_state: str
    chat_status: str
    chat_owner_id: int | None
    chat_community_id: int | None
    community_id: int | None
    is_held_elsewhere: bool


@dataclass(frozen=True, slots=True)
class Place:
    """What a policy asks of a community: how it is sorted, and who runs it."""

    kind: str
    tier_id: int | None
    values: Mapping[int, int]
    backup_id: int | None
    runner_ids: frozenset[int | None]


@dataclass(frozen=True, slots=True)
class Facts:
    """``now`` is by the database; ``connections`` are by their accounts."""

    rows: list[Row]
    givers: Mapping[int, Colleague]
    departments: Mapping[int, int | None]
    places: Mapping[int, Place]
    connections: Mapping[int, WecomConnection]
    hand_overs: Mapping[object, int]
    now: datetime


def replanned_items(
    transfer: OwnershipTransfer, retried: Collection[int] = ()
) -> QuerySet[TransferItem]:
    wanted = Q(state__in=REPLANNED)
    if retried:
        wanted |= Q(state=ItemState.FAILED, pk__in=retried)
    return TransferItem.objects.filter(wanted, transfer=transfer)


def facts_of(transfer: OwnershipTransfer, items: QuerySet[TransferItem]) -> Facts:
    rows = list(_rows(items))
    connections = {
        connection.account_id: connection
        for connection in WecomConnection.objects.filter(enterprise=transfer.enterprise_id)
    }
    now = database_now()
    return Facts(
        rows=rows,
        givers=_givers({row.giver_id for row in rows}),
        departments=dict(
            Department.objects.filter(enterprise=transfer.enterprise_id).values_list(
                "pk", "parent_id"
            )
        ),
        places=places_of(
            transfer.enterprise_id, {row.community_id or row.chat_community_id for row in rows}
        ),
        connections=connections,
        hand_overs=hand_overs_of(items, connections.values(), now=now),
        now=now,
    )


def things_of(
    facts: Facts, chosen: Collection[int]
) -> tuple[list[Thing], dict[int, str], dict[int, str]]:
    """What can be planned, why the others cannot, and the route of each. ``chosen`` are the
    receivers named for the whole hand-over."""
    chains = {giver.staff_id: _chain(facts, giver.department_id) for giver in facts.givers.values()}
    clocks = {
        account_id: facts.now + clock_ahead(connection)
        for account_id, connection in facts.connections.items()
    }
    things: list[Thing] = []
    refusals: dict[int, str] = {}
    routes: dict[int, str] = {}
    for row in facts.rows:
        giver = facts.givers[row.giver_id]
        routes[row.id] = route_of(row.subject, giver, row.chat_status)
        now = clocks.get(row.channel_account_id or 0, facts.now)
        if refusal := thing_refusal(_standing(row, facts, routes[row.id]), giver, now=now):
            refusals[row.id] = refusal
        else:
            things.append(_thing(row, facts.places, chains[row.giver_id], chosen))
    return things, refusals, routes


def policies_of(enterprise_id: int) -> list[Policy]:
    """Those in force, for the planner."""
    names: dict[int, list[Named]] = {}
    named = PolicyReceiver.objects.filter(policy__enterprise=enterprise_id, policy__is_active=True)
    for policy_id, staff_id, value_id in named.order_by("pk").values_list(
        "policy_id", "staff_id", "value_id"
    ):
        names.setdefault(policy_id, []).append(Named(staff_id, value_id))
    return [
        Policy(
            id=policy.pk,
            subject=policy.subject,
            selection=policy.selection,
            fallback=policy.fallback,
            kind=policy.kind,
            tier_id=policy.tier_id,
            value_id=policy.value_id,
            maximum=policy.maximum,
            needs_approval=policy.needs_approval,
            receivers=tuple(names.get(policy.pk, ())),
        )
        for policy in TransferPolicy.objects.in_force().filter(enterprise=enterprise_id)
    ]


# --- Reading -------------------------------------------------------------------------------------


def _rows(items: QuerySet[TransferItem]) -> Iterator[Row]:
    same = TransferItem.objects.holding().exclude(pk=OuterRef("pk"))
    customer = {name: OuterRef(name) for name in ("channel_account", "external_userid", "giver")}
    is_held = Case(
        When(
            subject=Subject.CHAT,
            then=Exists(same.filter(chat=OuterRef("chat"), chat__isnull=False)),
        ),
        When(
            subject=Subject.CUSTOMER,
            then=Exists(same.filter(subject=Subject.CUSTOMER, **customer)),
        ),
        default=Exists(same.filter(community=OuterRef("community"), community__isnull=False)),
    )
    found = (
        items.annotate(is_held=is_held, carried=F("chat__community"))
        .order_by("pk")
        .values_list(
            "pk", "subject", "state", "giver_id", "receiver_id", "policy_id", "selection",
            "reason", "route", "channel_account_id", "chat_id", "external_userid",
            "chat__state", "chat__platform_status", "chat__owner_id", "carried",
            "community_id", "is_held",
        )
        .iterator(chunk_size=10_000)
    )  # fmt: skip
    return map(Row._make, found)


def _givers(staff_ids: Collection[int]) -> dict[int, Colleague]:
    cases = ResignationCase.objects.filter(staff__in=staff_ids).order_by("pk")
    left = dict(cases.values_list("staff_id", "left_at"))
    return {
        staff.pk: replace(colleague_of(staff), left_at=left.get(staff.pk))
        for staff in Staff.objects.filter(pk__in=staff_ids)
    }


def places_of(enterprise_id: int, community_ids: Collection[int | None]) -> dict[int, Place]:
    """What policies ask of these communities, by their keys."""
    wanted = {community_id for community_id in community_ids if community_id is not None}
    communities = Community.objects.filter(pk__in=wanted)
    own: dict[int, list[int]] = {}
    through = Community.classification_values.through.objects.filter(community__in=communities)
    for community_id, value_id in through.values_list("community_id", "classificationvalue_id"):
        own.setdefault(community_id, []).append(value_id)
    parents = dict(
        ClassificationValue.objects.filter(axis__enterprise=enterprise_id).values_list(
            "pk", "parent_id"
        )
    )
    return {
        community.pk: Place(
            kind=community.kind,
            tier_id=community.minimum_tier_id,
            values=_with_those_above(own.get(community.pk, ()), parents),
            backup_id=community.backup_owner_id,
            runner_ids=frozenset(
                {community.owner_id, community.adviser_id, community.backup_owner_id}
            ),
        )
        for community in communities
    }


def _with_those_above(values: Iterable[int], parents: Mapping[int, int | None]) -> dict[int, int]:
    distances: dict[int, int] = {}
    for value in values:
        node: int | None = value
        distance = 0
        while node is not None and distances.get(node, distance + 1) > distance:
            distances[node] = distance
            node, distance = parents.get(node), distance + 1
    return distances


def _chain(facts: Facts, department_id: int | None) -> tuple[int, ...]:
    chain: list[int] = []
    while department_id is not None and department_id not in chain:
        chain.append(department_id)
        department_id = facts.departments.get(department_id)
    return tuple(chain)


def _standing(row: Row, facts: Facts, route: str) -> Standing:
    owners: frozenset[int | None] = frozenset({row.giver_id})
    name: object = row.external_userid
    if row.subject == Subject.CHAT:
        owners, name = frozenset({row.chat_owner_id}), row.chat_id
    elif row.subject == Subject.COMMUNITY:
        owners = facts.places[row.community_id or 0].runner_ids
    connection = facts.connections.get(row.channel_account_id or 0)
    return Standing(
        subject=row.subject,
        route=route,
        owner_ids=owners,
        chat_state=row.chat_state or "",
        connection_state=None if connection is None else connection.state,
        is_held_elsewhere=row.is_held_elsewhere,
        hand_overs=facts.hand_overs.get((row.channel_account_id, name), 0)
        if route == Route.ON_JOB
        else 0,
    )


NOWHERE = Place("", None, {}, None, frozenset())


def _thing(
    row: Row, places: Mapping[int, Place], departments: tuple[int, ...], chosen: Collection[int]
) -> Thing:
    """What a person has named for this one thing is pinned; what one of the chosen would get, what
    waits for its approval, and what has been sent before, stays with its receiver if possible."""
    place = places.get(row.community_id or row.chat_community_id or 0, NOWHERE)
    is_chosen = row.selection == Selection.CHOSEN and row.receiver_id is not None
    is_pinned = is_chosen and row.receiver_id not in chosen
    stays = is_chosen or row.state in (ItemState.PENDING, ItemState.FAILED)
    return Thing(
        key=row.id,
        subject=row.subject,
        giver_id=row.giver_id,
        kind=place.kind,
        tier_id=place.tier_id,
        values=place.values,
        departments=departments,
        backup_id=None if place.backup_id == row.giver_id else place.backup_id,
        pinned_id=row.receiver_id if is_pinned else None,
        preferred_id=row.receiver_id if stays and not is_pinned else None,
        preferred_selection=row.selection,
    )
