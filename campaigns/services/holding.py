"""A run whose channel is in trouble waits as a whole, instead of every dispatch finding out."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F, Value
from django.db.models.functions import Greatest, Now

from campaigns.models import Run
from campaigns.rules.retry import hold


def note_trouble(run_id: int) -> None:
    Run.objects.filter(pk=run_id).update(trouble_count=F("trouble_count") + 1)
    troubles = Run.objects.values_list("trouble_count", flat=True).get(pk=run_id)
    wait = hold(troubles)
    if wait is not None:
        hold_run(run_id, wait)


def hold_run(run_id: int, wait: timedelta) -> None:
    """No dispatch of the run is claimed until then."""
    Run.objects.filter(pk=run_id).update(held_until=Greatest(F("held_until"), Now() + Value(wait)))


def clear_trouble(run_id: int) -> None:
    Run.objects.filter(pk=run_id, trouble_count__gt=0).update(trouble_count=0, held_until=None)
