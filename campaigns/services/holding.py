"""A run whose channel is in trouble waits as a whole, instead of every dispatch finding out."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F, Q, Value
from django.db.models.functions import Now

from campaigns.models import Run
from campaigns.rules.retry import hold


def note_trouble(run_id: int) -> None:
    Run.objects.filter(pk=run_id).update(trouble_count=F("trouble_count") + 1)
    troubles = Run.objects.values_list("trouble_count", flat=True).get(pk=run_id)
    wait = hold(troubles)
    if wait is not None:
        hold_run(run_id, wait, reason="trouble")


def hold_run(run_id: int, wait: timedelta | datetime, *, reason: str = "") -> None:
    """No dispatch of the run is claimed for so long, or until then; ``reason`` is a code."""
    until = Value(wait) if isinstance(wait, datetime) else Now() + Value(wait)
    longer = Run.objects.filter(Q(held_until=None) | Q(held_until__lt=until), pk=run_id)
    longer.update(held_until=until, held_reason=reason)


def clear_trouble(run_id: int) -> None:
    Run.objects.filter(pk=run_id, trouble_count__gt=0).update(
        trouble_count=0, held_until=None, held_reason=""
    )
