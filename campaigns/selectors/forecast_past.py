"""What the runs of the past showed, for the forecast of the next one: final reports, and for what
was forecast also who of which kind clicked, ordered and left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import QuerySet

from campaigns.models import Broadcast, RunReport
from campaigns.rules.breaker import WINDOWS
from campaigns.rules.forecasts import LeaveRow, Past, Trial, features
from campaigns.rules.reach import REHEARSAL

YEARS_BACK = timedelta(days=730)
MOST_RUNS = 300
COLUMNS = {
    "run": "run_id",
    "channel": "run__broadcast__channel_account__kind",
    "recipients": "figures__recipients",
    "reached": "figures__people_reached",
    "funnel": "figures__funnel",
    "leaves": "figures__leaves",
    "sales": "figures__sales_amount",
    "groups": "run__forecast__figures__groups",
    "actual": "run__forecast__actual__groups",
}

type Group = tuple[str, bool, bool]


class Shown(NamedTuple):
    run: int
    channel: str
    recipients: dict[str, int] | None
    reached: int | None
    funnel: list[dict[str, Any]] | None
    leaves: list[dict[str, Any]] | None
    sales: int | None
    groups: list[dict[str, Any]] | None
    actual: list[dict[str, Any]] | None

    def people_at(self, step: str) -> int:
        return next((one["people"] for one in self.funnel or () if one["step"] == step), 0)

    @property
    def watch(self) -> Mapping[str, Any]:
        """Who left within the longest window, as it was last seen."""
        hours = max(WINDOWS)
        return next((one for one in self.leaves or () if one["window_hours"] == hours), {})


def past_of(broadcast: Broadcast, *, now: datetime) -> Past:
    """Of the enterprise's runs to the same kind of recipients, the latest few hundred of two
    years. A rehearsal reached nobody: it counts for other rehearsals only."""
    rows = reports_like(broadcast).filter(is_final=True, run__started_at__gt=now - YEARS_BACK)
    values = rows.order_by("-pk").values_list(*COLUMNS.values())[:MOST_RUNS]
    runs = [one for one in map(Shown._make, values) if one.reached]
    kind = broadcast.channel_account.kind
    ordered = sum(one.people_at("ordered") for one in runs)
    return Past(
        delivered=tuple(
            Trial(one.recipients["delivered"], one.recipients["total"])
            for one in runs
            if one.recipients and one.channel == kind
        ),
        clicked=_trials(runs, "clicked"),
        ordered=_trials(runs, "ordered"),
        clicked_by=_by_segment(runs, "clicked"),
        ordered_by=_by_segment(runs, "ordered"),
        left=tuple(row for one in runs for row in _left(one)),
        usual_leave_rate=_usual_leave_rate(runs),
        order_amount=max(0.0, sum(one.sales or 0 for one in runs) / ordered) if ordered else 0.0,
    )


def reports_like(broadcast: Broadcast) -> QuerySet[RunReport]:
    rows = RunReport.objects.filter(
        run__broadcast__enterprise=broadcast.enterprise_id,
        run__broadcast__target=broadcast.target,
    )
    if broadcast.channel_account.kind == REHEARSAL:
        return rows
    return rows.exclude(run__broadcast__channel_account__kind=REHEARSAL)


def _trials(runs: list[Shown], step: str) -> tuple[Trial, ...]:
    return tuple(Trial(one.people_at(step), one.reached or 0) for one in runs)


def _usual_leave_rate(runs: list[Shown]) -> float:
    watches = [one.watch for one in runs if one.watch.get("exposed")]
    exposed = sum(one["exposed"] for one in watches)
    if not exposed:
        return 0.0
    return float(sum(one["usual_rate"] * one["exposed"] for one in watches) / exposed)


def _joined(run: Shown) -> list[tuple[dict[str, Any], dict[str, int], int]]:
    """Each group of a run that was forecast: who was expected, what they did, how many of them got
    the message. Nobody knows of each group how many got it: as many of it as of all."""
    if run.groups is None or run.actual is None:
        return []
    planned = sum(one["people"] for one in run.groups)
    share = min(1.0, (run.reached or 0) / planned) if planned else 0.0
    did = {group_of(one): one for one in run.actual}
    return [(one, did.get(group_of(one), {}), round(one["people"] * share)) for one in run.groups]


def group_of(one: Mapping[str, Any]) -> Group:
    return (one["segment"], one["is_dormant"], one["is_new"])


def _by_segment(runs: list[Shown], name: str) -> dict[str, Trial]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for run in runs:
        for group, did, people in _joined(run):
            count = counts[group["segment"]]
            count[0] += did.get(name, 0)
            count[1] += max(people, did.get(name, 0))
    return {segment: Trial(happened, of) for segment, (happened, of) in counts.items()}


def _left(run: Shown) -> list[LeaveRow]:
    rows = []
    for group, did, people in _joined(run):
        left = did.get("left", 0)
        if people or left:
            x = features(
                group["ad_share"],
                group["sends"],
                group["is_dormant"],
                group["is_new"],
                group["silence"],
            )
            rows.append(LeaveRow(run.run, max(people, left), left, x))
    return rows
