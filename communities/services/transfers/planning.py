"""What a hand-over is about, and who would get what: the preflight."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from math import ceil
from typing import Any, NamedTuple

from django.db import connection as database
from django.db.models import Count, QuerySet

from communities.handlers import CustomerOfStaff
from communities.models import GroupChat, OwnershipTransfer, TransferItem
from communities.rules.transfer_planning import Assignment, Policy, Thing, plan
from communities.rules.transfers import ItemState, Selection, Subject
from communities.services.transfers.eligibility import candidates_for, incoming_to, owned_by
from communities.services.transfers.facts import (
    Row,
    facts_of,
    policies_of,
    replanned_items,
    things_of,
)
from communities.services.transfers.quotas import UNUSED, quotas_left
from scrm.shared.clock import database_now
from scrm.wecom.rules.limits import CHATS_HANDED_OVER_A_DAY

PAGE = 10_000
#: Chats in these states still need a share of the platform's day.
UNSENT = (ItemState.PLANNED, ItemState.PENDING, ItemState.QUEUED)

ADD_CHATS = """
INSERT INTO communities_transferitem
    (enterprise_id, transfer_id, subject, channel_account_id, chat_id, giver_id)
SELECT chat.enterprise_id, %(transfer)s, 'chat', chat.channel_account_id, chat.id, chat.owner_id
FROM communities_groupchat chat
WHERE chat.id = ANY(%(chats)s) AND chat.enterprise_id = %(enterprise)s AND chat.owner_id IS NOT NULL
ORDER BY chat.id
ON CONFLICT DO NOTHING
"""
ADD_COMMUNITIES = """
INSERT INTO communities_transferitem
    (enterprise_id, transfer_id, subject, community_id, giver_id)
SELECT community.enterprise_id, %(transfer)s, 'community', community.id,
       coalesce(%(giver)s::bigint, community.owner_id)
FROM communities_community community
WHERE community.id = ANY(%(communities)s) AND community.enterprise_id = %(enterprise)s
  AND coalesce(%(giver)s::bigint, community.owner_id) IS NOT NULL
ORDER BY community.id
ON CONFLICT DO NOTHING
"""
ADD_CUSTOMERS = """
INSERT INTO communities_transferitem
    (enterprise_id, transfer_id, subject, channel_account_id, external_userid, giver_id)
SELECT %(enterprise)s, %(transfer)s, 'customer', given.account_id, given.external_userid, %(giver)s
FROM unnest(%(accounts)s::bigint[], %(customers)s::text[]) AS given (account_id, external_userid)
JOIN wecom_channelaccount account
  ON account.id = given.account_id AND account.enterprise_id = %(enterprise)s
WHERE given.external_userid <> ''
ORDER BY given.account_id, given.external_userid
ON CONFLICT DO NOTHING
"""
# An item that somebody has moved on meanwhile stays as they left it.
PLAN_ITEMS = """
UPDATE communities_transferitem AS kept
SET state = given.state, receiver_id = given.receiver_id, policy_id = given.policy_id,
    selection = given.selection, reason = given.reason, route = given.route
FROM unnest(
    %s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::text[],
    %s::text[]
) AS given (id, former, state, receiver_id, policy_id, selection, reason, route)
WHERE kept.id = given.id AND kept.state = given.former
"""


@dataclass(frozen=True, slots=True)
class GiverQuota:
    """The platform's daily share of chats from one giver. ``asked``: how many chats wait for it
    here; ``days``: on how many days, today included, they will have been sent."""

    account_id: int
    giver_id: int
    used: int
    left: int
    asked: int
    days: int
    is_exhausted: bool


@dataclass(frozen=True, slots=True)
class ReceiverShare:
    """What one colleague would get of one subject in this hand-over, beside what they have and
    what else is on its way to them."""

    receiver_id: int
    subject: str
    count: int
    owned: int
    incoming: int


@dataclass(frozen=True, slots=True)
class Preflight:
    """``counts`` are by subject and state; ``reasons`` say how many items are blocked, and why."""

    needs_approval: bool
    ready: int
    blocked: int
    counts: dict[tuple[str, str], int]
    reasons: dict[str, int]
    receivers: tuple[ReceiverShare, ...]
    quotas: tuple[GiverQuota, ...]


def add_chats(transfer: OwnershipTransfer, chats: QuerySet[GroupChat] | Iterable[int]) -> int:
    """Make these chats of its enterprise items, given by their owners. Those without a known owner
    and those that it has already are left out. Returns how many are new."""
    ids = chats.values_list("pk", flat=True) if isinstance(chats, QuerySet) else chats
    return _add(ADD_CHATS, transfer, {"chats": list(ids)})


def add_communities(
    transfer: OwnershipTransfer, community_ids: Iterable[int], *, giver_id: int | None = None
) -> int:
    """Make these communities items, given by ``giver_id``, who owns or advises them or is their
    backup; without one by their owners. Returns how many are new."""
    values = {"communities": list(community_ids), "giver": giver_id}
    return _add(ADD_COMMUNITIES, transfer, values)


def add_customers(
    transfer: OwnershipTransfer, giver_id: int, customers: Sequence[CustomerOfStaff]
) -> int:
    """Make these customers items, given by the colleague who follows them. Returns how many are
    new."""
    new = 0
    for page in batched(customers, PAGE):
        values = {
            "giver": giver_id,
            "accounts": [each.channel_account_id for each in page],
            "customers": [each.external_userid for each in page],
        }
        new += _add(ADD_CUSTOMERS, transfer, values)
    return new


def preflight(transfer_id: int, *, retried: Collection[int] = ()) -> Preflight:
    """Plan what is PLANNED, BLOCKED or PENDING again: receiver, policy, selection, reason, route.

    Call it with the transfer locked. A PENDING item stays so, with its receiver where that is
    still possible, or becomes BLOCKED; the others become PLANNED or BLOCKED. ``retried`` are FAILED
    items to be planned too: one that may go again keeps its state, without a reason, for the
    caller to move on; the others become BLOCKED.
    """
    transfer = OwnershipTransfer.objects.get(pk=transfer_id)
    items = replanned_items(transfer, retried)
    chosen = tuple(transfer.receivers.order_by("pk").values_list("pk", flat=True))
    facts = facts_of(transfer, items)
    things, refusals, routes = things_of(facts, chosen)
    policies = policies_of(transfer.enterprise_id)
    candidates = candidates_for(
        transfer.enterprise_id,
        {thing.subject for thing in things},
        mentioned=_mentioned(things, policies, chosen),
        replanned=items.filter(state=ItemState.PENDING),
    )
    found = {each.key: each for each in plan(things, candidates, policies, chosen=chosen)}
    _write([_planned(row, found.get(row.id), refusals, routes) for row in facts.rows], facts.rows)
    _note(transfer, found.values(), policies)
    return preflight_of(transfer)


def preflight_of(transfer: OwnershipTransfer) -> Preflight:
    """The same tables from what was planned last; changes nothing."""
    items = TransferItem.objects.filter(transfer=transfer)
    states = items.values_list("subject", "state").annotate(count=Count("pk")).order_by()
    counts = {(subject, state): count for subject, state, count in states}
    blocked = items.filter(state=ItemState.BLOCKED).values_list("reason")
    reasons = dict(blocked.annotate(count=Count("pk")).order_by("-count", "reason"))
    ready = (ItemState.PLANNED, ItemState.PENDING)
    return Preflight(
        needs_approval=transfer.needs_approval,
        ready=sum(count for (_, state), count in counts.items() if state in ready),
        blocked=sum(reasons.values()),
        counts=counts,
        reasons=reasons,
        receivers=_shares(transfer, items),
        quotas=_quotas(transfer, items),
    )


# --- Writing -------------------------------------------------------------------------------------


class Planned(NamedTuple):
    """An item as it shall be; ``former`` is the state in which it was found."""

    id: int
    former: str
    state: str
    receiver_id: int | None
    policy_id: int | None
    selection: str
    reason: str
    route: str


def _add(statement: str, transfer: OwnershipTransfer, values: Mapping[str, object]) -> int:
    names: dict[str, Any] = {
        "transfer": transfer.pk,
        "enterprise": transfer.enterprise_id,
        **values,
    }
    with database.cursor() as cursor:
        cursor.execute(statement, names)
        return int(cursor.rowcount)


def _mentioned(
    things: Sequence[Thing], policies: Sequence[Policy], chosen: Sequence[int]
) -> set[int]:
    """Everybody whom a person or a policy names: also those who have left, for the reason why."""
    named = {each.staff_id for policy in policies for each in policy.receivers}
    for thing in things:
        for staff_id in (thing.backup_id, thing.pinned_id, thing.preferred_id):
            if staff_id is not None:
                named.add(staff_id)
    return named | set(chosen)


def _planned(
    row: Row, found: Assignment | None, refusals: Mapping[int, str], routes: Mapping[int, str]
) -> Planned:
    """What a person has chosen stays with an item that is blocked, to be seen and changed."""
    policy_id = None if found is None else found.policy_id
    route = routes[row.id]
    if found is not None and found.receiver_id is not None:
        stays = row.state in (ItemState.PENDING, ItemState.FAILED)
        state = row.state if stays else ItemState.PLANNED
        return Planned(
            row.id, row.state, state, found.receiver_id, policy_id, found.selection, "", route
        )
    reason = refusals[row.id] if found is None else found.reason
    is_chosen = row.selection == Selection.CHOSEN and row.receiver_id is not None
    receiver_id, selection = (row.receiver_id, row.selection) if is_chosen else (None, "")
    return Planned(
        row.id, row.state, ItemState.BLOCKED, receiver_id, policy_id, selection, reason, route
    )


def _write(planned: Iterable[Planned], rows: Iterable[Row]) -> None:
    changed = [new for new, row in zip(planned, rows, strict=True) if _as_found(row) != new]
    if changed:
        with database.cursor() as cursor:
            cursor.execute(PLAN_ITEMS, [list(column) for column in zip(*changed, strict=True)])


def _as_found(row: Row) -> Planned:
    return Planned(
        row.id,
        row.state,
        row.state,
        row.receiver_id,
        row.policy_id,
        row.selection,
        row.reason,
        row.route,
    )


def _note(
    transfer: OwnershipTransfer, found: Iterable[Assignment], policies: Iterable[Policy]
) -> None:
    """What no policy covers needs approval, as what a policy says."""
    free = {policy.id for policy in policies if not policy.needs_approval}
    applied = {each.policy_id for each in found if each.receiver_id is not None}
    if applied:
        transfer.needs_approval = not applied <= free
    transfer.preflighted_at = database_now()
    transfer.save(update_fields=["needs_approval", "preflighted_at"])


# --- The tables ----------------------------------------------------------------------------------


def _shares(
    transfer: OwnershipTransfer, items: QuerySet[TransferItem]
) -> tuple[ReceiverShare, ...]:
    going = items.filter(state__in=UNSENT, receiver__isnull=False)
    counted = going.values_list("subject", "receiver").annotate(count=Count("pk")).order_by()
    rows = list(counted.order_by("subject", "receiver"))
    subjects = {subject for subject, *_ in rows}
    owned = {each: owned_by(transfer.enterprise_id, each) for each in subjects}
    coming = {each: incoming_to(transfer.enterprise_id, each, besides=going) for each in subjects}
    return tuple(
        ReceiverShare(
            receiver_id,
            subject,
            count,
            owned[subject].get(receiver_id, 0),
            coming[subject].get(receiver_id, 0),
        )
        for subject, receiver_id, count in rows
    )


def _quotas(transfer: OwnershipTransfer, items: QuerySet[TransferItem]) -> tuple[GiverQuota, ...]:
    waiting = items.filter(subject=Subject.CHAT, state__in=UNSENT)
    counted = waiting.values_list("channel_account", "giver").annotate(count=Count("pk"))
    asked = {(account, giver): count for account, giver, count in counted.order_by()}
    left = quotas_left(transfer.enterprise_id, {giver for _, giver in asked}) if asked else {}
    quotas = []
    for (account_id, giver_id), count in sorted(asked.items()):
        share = left.get((account_id, giver_id), UNUSED)
        days = 1 + ceil(max(0, count - share.left) / CHATS_HANDED_OVER_A_DAY)
        quotas.append(
            GiverQuota(
                account_id, giver_id, share.used, share.left, count, days, share.is_exhausted
            )
        )
    return tuple(quotas)
