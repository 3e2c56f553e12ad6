"""Looking at the tiers of members whose facts have changed."""

from __future__ import annotations

import logging
import time

from django.db import OperationalError, connection, transaction

from communities.models import TierScheme
from members.models import Member, TierDue
from members.services.tiering_members import locked_schemes, retier
from scrm.shared.sql import sql

logger = logging.getLogger(__name__)

SLICE = 500  # members at once: whoever reports facts about them waits that long at most

TAKE = """
DELETE FROM members_tierdue
WHERE member_id IN (
    SELECT due.member_id
    FROM members_tierdue due JOIN members_member member ON member.id = due.member_id
    WHERE member.enterprise_id = %s
    LIMIT %s
    FOR UPDATE OF due SKIP LOCKED
)
RETURNING member_id
"""


def drain_tier_dues(*, budget: float) -> int:
    """Look at the members that are due, for ``budget`` seconds at most. Returns how many."""
    deadline = time.monotonic() + budget
    count = 0
    for enterprise_id in _enterprises():
        try:
            while taken := drain_slice(enterprise_id):
                count += taken
                if time.monotonic() >= deadline:
                    return count
        except OperationalError:  # somebody holds a lock for long; the rows are still there
            logger.warning("Tiers have to wait.", extra={"enterprise_id": enterprise_id})
    return count


@transaction.atomic
def drain_slice(enterprise_id: int) -> int:
    """Take some of the rows and look at their members: both or, if a worker dies, neither.

    While somebody else is at a scheme of the enterprise the rows stay for the next time.
    """
    schemes = locked_schemes(enterprise_id, skip_locked=True)
    if len(schemes) < TierScheme.objects.filter(enterprise=enterprise_id).count():
        return 0
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [enterprise_id, SLICE])
        member_ids = [row[0] for row in cursor.fetchall()]
    if member_ids:
        among = sql("SELECT unnest({}::bigint[])", member_ids)
        for scheme in schemes:
            retier(scheme, among)
    return len(member_ids)


def _enterprises() -> list[int]:
    due = Member.objects.filter(pk__in=TierDue.objects.values("pk"))
    return sorted(due.values_list("enterprise", flat=True).distinct())
