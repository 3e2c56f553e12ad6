"""Noting members whose facts have changed, so that their tiers are looked at soon."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection

from members.metrics import Measure, activity, belonging, purchases, standing
from members.models import Member, Membership, TierAssignment
from members.signals import tiers_due
from scrm.shared.criteria import METRICS
from scrm.shared.prepared import run_prepared

type Metrics = frozenset[str]


def _named(measures: Iterable[Measure]) -> Metrics:
    return frozenset(measure.definition.name for measure in measures)


#: The metrics that each kind of fact can move.
ORDERS = _named(purchases.MEASURES)
ACTIVITY = _named(activity.MEASURES)
BELONGING = _named(belonging.MEASURES)
CLASSES: Metrics = frozenset({"classified_as", "has_evidence"})
TAGS: Metrics = frozenset({"has_tag"})
CONSENTS: Metrics = frozenset({"consented"})
TIERS: Metrics = frozenset({"tier_rank"})
OWN = ORDERS | ACTIVITY | BELONGING | _named(standing.MEASURES)

# A row that is there already is locked all the same: who drains it must see the facts that this
# transaction is about to commit. In the order of the ids, so that nobody waits in a circle.
MARK = """
INSERT INTO members_tierdue AS due (member_id)
SELECT member_id FROM unnest(%(members)s::bigint[]) AS given (member_id)
WHERE EXISTS (
    SELECT FROM communities_tier tier JOIN communities_tierscheme scheme
        ON scheme.id = tier.scheme_id
    WHERE scheme.enterprise_id = %(enterprise)s AND tier.criterion::text ~ %(metrics)s
)
ORDER BY member_id
ON CONFLICT (member_id) DO UPDATE SET since = EXCLUDED.since WHERE false
RETURNING member_id
"""
HOLDERS = """
SELECT DISTINCT changed.member_id
FROM members_tierassignment changed
WHERE changed.id = ANY(%(assignments)s) AND EXISTS (
    SELECT FROM communities_tierscheme own
    JOIN communities_tierscheme other
      ON other.enterprise_id = own.enterprise_id AND other.id <> own.id
    JOIN communities_tier tier ON tier.scheme_id = other.id
    WHERE own.id = %(scheme)s AND tier.criterion::text ~ %(metrics)s
)
"""


def mark_tiers_due(enterprise_id: int, member_ids: Iterable[int], *, moved: Metrics) -> None:
    """Note, in the transaction of the fact, that these members' tiers have to be looked at.

    ``moved`` are the metrics that the fact can move; where no tier asks for any of them nothing
    is noted. Call it last in the transaction.
    """
    members = ",".join(map(str, sorted(set(member_ids))))
    values: dict[str, Any] = {
        "enterprise": enterprise_id,
        "members": f"{{{members}}}",
        "metrics": _pattern(moved),
    }
    if run_prepared(MARK, values):
        tiers_due.send(sender=TierAssignment)


def mark_members(member_ids: Iterable[int], *, moved: Metrics) -> None:
    """The same for members of whichever enterprise."""
    members_of: defaultdict[int, list[int]] = defaultdict(list)
    rows = Member.objects.filter(pk__in=list(member_ids)).values_list("enterprise", "pk")
    for enterprise_id, member_id in rows:
        members_of[enterprise_id].append(member_id)
    for enterprise_id, ids in sorted(members_of.items()):
        mark_tiers_due(enterprise_id, ids, moved=moved)


def mark_after_moving(membership_ids: Sequence[int]) -> None:
    """Note who joined or left a community."""
    moved = Membership.objects.filter(pk__in=membership_ids)
    mark_members(moved.values_list("member", flat=True), moved=BELONGING)


def mark_holders(scheme_id: int, assignment_ids: list[int]) -> None:
    """Note members whose tier in one scheme may decide about their tier in another."""
    values: dict[str, Any] = {
        "scheme": scheme_id,
        "assignments": assignment_ids,
        "metrics": _pattern(TIERS),
    }
    with connection.cursor() as cursor:
        cursor.execute(HOLDERS, values)
        member_ids = [row[0] for row in cursor.fetchall()]
    if member_ids:
        mark_members(member_ids, moved=TIERS)


def _pattern(moved: Metrics) -> str:
    """A criterion that speaks of one of the metrics, or of one that an app above defines: what
    moves those is not known here."""
    above = {definition.name for definition in METRICS} - OWN
    return f'"({"|".join(sorted(moved | above))})"'
