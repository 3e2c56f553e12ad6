"""Giving members the tier that their facts earn."""

from __future__ import annotations

import logging
from itertools import batched

from django.db import connection, transaction
from django.utils import timezone

from communities.models import TierScheme
from members.criteria import Among
from members.models import Member, TierAssignment
from members.services.tier_verdicts import Tally, ladder_of, write_verdicts
from members.signals import tiers_changed
from scrm.shared.criteria import InvalidCriterion

logger = logging.getLogger(__name__)

PATIENCE = "10s"  # longer than a slice of the night has a scheme locked
ANNOUNCED_AT_ONCE = 5_000


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


def locked_schemes(enterprise_id: int, *, skip_locked: bool = False) -> list[TierScheme]:
    """The schemes of an enterprise, each locked: its tiers stay as they are, and nobody else
    gives them to members, until the end of the transaction."""
    rows = TierScheme.objects.select_for_update(no_key=True, of=("self",), skip_locked=skip_locked)
    schemes = rows.select_related("enterprise").filter(enterprise=enterprise_id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])
        found = list(schemes.order_by("pk"))
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
    return found


def retier(scheme: TierScheme, among: Among) -> Tally:
    """Look at some members' tiers in a locked scheme, and announce what changed."""
    try:
        ladder = ladder_of(scheme)
    except InvalidCriterion:
        logger.error("A tier has a criterion nobody can read.", extra={"scheme_id": scheme.pk})
        return Tally()
    tally = write_verdicts(scheme, ladder, among, now=timezone.now())
    for ids in batched(tally.assignment_ids, ANNOUNCED_AT_ONCE):
        tiers_changed.send(sender=TierAssignment, scheme_id=scheme.pk, assignment_ids=list(ids))
    return tally
