"""Giving members the tier that their facts earn."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.db import connection, transaction
from django.utils import timezone

from communities.models import TierScheme
from members.criteria import Among
from members.models import Member, TierAssignment
from members.services.staging import affected
from members.services.tier_verdicts import Tally, ladder_of, write_verdicts
from members.signals import tiers_changed, tiers_due
from scrm.shared.criteria import InvalidCriterion

logger = logging.getLogger(__name__)

# A row that is there already is locked all the same: who drains it must see the facts that this
# transaction is about to commit. In the order of the ids, so that nobody waits in a circle.
MARK = """
INSERT INTO members_tierdue AS due (member_id)
SELECT member_id FROM unnest(%(members)s::bigint[]) AS given (member_id)
WHERE EXISTS (
    SELECT FROM communities_tier tier JOIN communities_tierscheme scheme
        ON scheme.id = tier.scheme_id
    WHERE scheme.enterprise_id = %(enterprise)s AND tier.criterion <> '{}'::jsonb
)
ORDER BY member_id
ON CONFLICT (member_id) DO UPDATE SET since = EXCLUDED.since WHERE false
"""


@transaction.atomic
def retier_member(member_id: int, *, scheme_id: int | None = None) -> list[TierAssignment]:
    """Look at one member's tiers now. Returns the periods that began or, where no tier takes the
    member any more, that ended; nothing when all is as it was.
    """
    member = Member.objects.get(pk=member_id)
    ids: list[int] = []
    for scheme in locked_schemes(member.enterprise_id):
        if scheme_id in {None, scheme.pk}:
            ids += retier(scheme, member_id).assignment_ids
    rows = TierAssignment.objects.filter(pk__in=ids).select_related("scheme", "tier")
    return list(rows.order_by("pk"))


def mark_tiers_due(enterprise_id: int, member_ids: Iterable[int]) -> None:
    """Note, in the transaction of the fact, that these members' tiers have to be looked at.

    Call it last in the transaction. Where no tier asks for anything nothing is noted.
    """
    members = sorted(set(member_ids))
    with connection.cursor() as cursor:
        cursor.execute(MARK, {"enterprise": enterprise_id, "members": members})
        noted = affected(cursor)
    if noted:
        tiers_due.send(sender=TierAssignment)


def locked_schemes(enterprise_id: int, *, skip_locked: bool = False) -> list[TierScheme]:
    """The schemes of an enterprise, each locked: its tiers stay as they are, and nobody else
    gives them to members, until the end of the transaction."""
    rows = TierScheme.objects.select_for_update(no_key=True, of=("self",), skip_locked=skip_locked)
    schemes = rows.select_related("enterprise").filter(enterprise=enterprise_id)
    return list(schemes.order_by("pk"))


def retier(scheme: TierScheme, among: Among) -> Tally:
    """Look at some members' tiers in a locked scheme, and announce what changed."""
    try:
        ladder = ladder_of(scheme)
    except InvalidCriterion:
        logger.error("A tier has a criterion nobody can read.", extra={"scheme_id": scheme.pk})
        return Tally()
    tally = write_verdicts(scheme, ladder, among, now=timezone.now())
    if tally.assignment_ids:
        tiers_changed.send(
            sender=TierAssignment,
            scheme_id=scheme.pk,
            assignment_ids=list(tally.assignment_ids),
        )
    return tally
