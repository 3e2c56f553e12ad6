"""A look at everybody's tiers, one run a scheme and local day: every night, or when asked for."""

from __future__ import annotations

import logging
import time
from datetime import date, datetime, timedelta
from datetime import time as time_of_day

from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from communities.models import TierScheme
from members.models import TieringRun
from members.services.tiering_members import retier
from members.signals import tiering_begun
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit

logger = logging.getLogger(__name__)

# Members in one transaction. Large slices read large tables fewer times; small ones let others,
# who look at a tier meanwhile, wait less. So their size follows the time that they take.
SLICE = 50_000
SMALLEST = 500  # where even these take too long, something is wrong
LARGEST = 100_000
QUICK, SLOW = 3.0, 6.0  # seconds; a statement that takes 15 is cut off
WORK_MEMORY = "64MB"  # what the orders and days of a slice fit into

TIERED_FROM = time_of_day(2)  # local time

SLICE_END = """
SELECT max(id), count(*) FROM (
    SELECT id FROM members_member
    WHERE enterprise_id = %s AND id >= %s ORDER BY id LIMIT %s
) slice
"""


def schemes_to_tier(now: datetime) -> list[tuple[int, date]]:
    """The schemes with a run to begin or to go on with, each with its local day."""
    recent = TieringRun.objects.filter(day__gte=now.date() - timedelta(days=1))
    is_finished = {
        (run.scheme_id, run.day): run.finished_at is not None for run in recent.iterator()
    }
    schemes = TierScheme.objects.filter(tiers__isnull=False).distinct().select_related("enterprise")
    due = []
    for scheme in schemes.order_by("pk").iterator():
        local = now.astimezone(scheme.enterprise.zone)
        finished = is_finished.get((scheme.pk, local.date()))
        if finished is False or (finished is None and local.time() >= TIERED_FROM):
            due.append((scheme.pk, local.date()))
    return due


@transaction.atomic
def begin_tiering(scheme_id: int) -> TieringRun:
    """Today's run of a scheme, to be gone on with from the first member, also when it was over
    or under way: the tiers may have changed since it began."""
    scheme = TierScheme.objects.select_related("enterprise").get(pk=scheme_id)
    day = timezone.now().astimezone(scheme.enterprise.zone).date()
    _prepare(scheme_id, day)
    run = TieringRun.objects.select_for_update(no_key=True).get(scheme=scheme, day=day)
    run.next_member = run.member_count = run.promoted_count = run.demoted_count = 0
    run.started_at, run.finished_at = timezone.now(), None
    run.save()
    return run


@transaction.atomic
def request_tiering(scheme_id: int, *, actor: User) -> TierScheme:
    """Have everybody's tiers of a scheme looked at by a worker now."""
    run = begin_tiering(scheme_id)
    told = {"day": run.day.isoformat()}
    record_audit(actor, verb="request_tiering", subject=run.scheme, after=told)
    tiering_begun.send(sender=TieringRun, scheme_id=scheme_id, day=run.day)
    return run.scheme


def continue_tiering(scheme_id: int, *, day: date, budget: float) -> bool:
    """Go on with the run of a day for ``budget`` seconds. Returns whether it is finished.

    Where another worker is at it there is nothing to do, and the answer is yes.
    """
    _prepare(scheme_id, day)
    deadline = time.monotonic() + budget
    size = SLICE
    while True:
        began = time.monotonic()
        try:
            goes_on = _step(scheme_id, day, size)
        except OperationalError:  # a statement took too long, or waited too long for a lock
            if size <= SMALLEST:
                raise
            size = max(SMALLEST, size // 4)
            logger.warning("Tiers go on in smaller slices.", extra={"scheme_id": scheme_id})
            continue
        ended = time.monotonic()
        if not goes_on:
            return True
        if ended >= deadline:
            return False
        size = _next_size(size, ended - began)


def _next_size(size: int, seconds: float) -> int:
    if seconds < QUICK:
        return min(size * 2, LARGEST)
    return max(size // 2, SMALLEST) if seconds > SLOW else size


def _prepare(scheme_id: int, day: date) -> None:
    run = TieringRun(scheme_id=scheme_id, day=day)
    TieringRun.objects.bulk_create([run], ignore_conflicts=True)


@transaction.atomic
def _step(scheme_id: int, day: date, size: int) -> bool:
    """One slice, kept together with the place it leads to. False: there is nothing left for us."""
    open_runs = TieringRun.objects.filter(scheme=scheme_id, day=day, finished_at=None)
    run = open_runs.select_for_update(no_key=True, skip_locked=True).first()
    if run is None:
        return False
    schemes = TierScheme.objects.select_for_update(no_key=True, of=("self",))
    scheme = schemes.select_related("enterprise").get(pk=scheme_id)
    upto, count = _slice(scheme.enterprise_id, run.next_member, size)
    mine = TieringRun.objects.filter(pk=run.pk)
    if upto is None:
        mine.update(finished_at=Now())
        return False
    tally = retier(scheme, range(run.next_member, upto + 1))
    mine.update(
        next_member=upto + 1,
        member_count=F("member_count") + count,
        promoted_count=F("promoted_count") + tally.promoted,
        demoted_count=F("demoted_count") + tally.demoted,
    )
    return True


def _slice(enterprise_id: int, first: int, size: int) -> tuple[int | None, int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('work_mem', %s, true)", [WORK_MEMORY])
        cursor.execute(SLICE_END, [enterprise_id, first, size])
        upto, count = cursor.fetchone()
    return upto, int(count)
