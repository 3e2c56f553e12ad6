"""What came of a piece of content: the reports of the runs that sent exactly its text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from campaigns.models import ExperimentArm, RunReport
from campaigns.rules.breaker import WINDOWS

type Figures = dict[str, Any]


@dataclass(slots=True)
class Result:
    """Summed over runs, people counted once per run. Leaves are those within the longest window
    of the breaker; ``usual_leaves`` would have happened anyway. Amounts in 分; ``net_amount`` is
    None where a run had nobody held out, for then nobody knows what it brought. Of a run in
    several texts the cost is shared by the people reached, the value lost by those who left."""

    run_count: int = 0
    final_count: int = 0
    people_reached: int = 0
    clicked: int = 0
    interacted: int = 0
    ordered: int = 0
    leaves: int = 0
    usual_leaves: float = 0.0
    cost_amount: int = 0
    value_lost_amount: int = 0
    net_amount: int | None = 0

    @property
    def interaction_rate(self) -> float | None:
        return self.interacted / self.people_reached if self.people_reached else None

    def add(self, figures: Figures, *, is_final: bool, arms: frozenset[int] | None) -> None:
        """One report; ``arms``: of a run in several texts, the arms that got this one."""
        self.run_count += 1
        self.final_count += is_final
        if arms is None:
            self._add_whole(figures)
        else:
            self._add_arms(figures, arms)

    def _add_whole(self, figures: Figures) -> None:
        funnel = {step["step"]: step["people"] for step in figures.get("funnel", ())}
        self.people_reached += figures.get("people_reached") or 0
        self.cost_amount += figures.get("cost_amount") or 0
        for step in ("clicked", "interacted", "ordered"):
            setattr(self, step, getattr(self, step) + funnel.get(step, 0))
        watch = _longest(figures)
        if watch is not None:
            self.leaves += watch["leaves"]
            self.usual_leaves += watch["usual_rate"] * watch["exposed"]
        self.value_lost_amount += figures.get("value_lost_amount") or 0
        self._add_net(figures.get("net_amount"))

    def _add_arms(self, figures: Figures, arms: frozenset[int]) -> None:
        every: list[Figures] = figures.get("by_arm", [])
        mine = [arm for arm in every if arm["arm"] in arms]
        for name in ("leaves", "clicked", "interacted", "ordered"):
            setattr(self, name, getattr(self, name) + _total(mine, name))
        reached = _total(mine, "reached")
        self.people_reached += reached
        watch = _longest(figures)
        if watch is not None:
            self.usual_leaves += watch["usual_rate"] * reached
        cost = _part(figures.get("cost_amount"), reached, of=_total(every, "reached"))
        left = _total(mine, "leaves")
        lost = _part(figures.get("value_lost_amount"), left, of=_total(every, "leaves"))
        self.cost_amount += cost
        self.value_lost_amount += lost
        margins = [arm.get("margin_amount") for arm in mine]
        known = [margin for margin in margins if margin is not None]
        is_known = bool(known) and len(known) == len(margins)
        self._add_net(sum(known) - cost - lost if is_known else None)

    def _add_net(self, net: int | None) -> None:
        self.net_amount = None if net is None or self.net_amount is None else self.net_amount + net


def _longest(figures: Figures) -> Figures | None:
    """The watch with the longest window of the breaker."""
    watches: list[Figures] = figures.get("leaves", [])
    return next((one for one in watches if one["window_hours"] == max(WINDOWS)), None)


def _total(arms: list[Figures], name: str) -> int:
    return sum(arm[name] for arm in arms)


def _part(amount: int | None, share: int, *, of: int) -> int:
    return round((amount or 0) * share / of) if of else 0


def results_of(version_ids: Iterable[int]) -> dict[int, Result]:
    """What was measured of each of these versions; none for one that was never sent."""
    reports = RunReport.objects.filter(run__content_version__in=list(version_ids)).exclude(
        figures={}
    )
    rows = list(
        reports.values_list("run__content_version", "run__broadcast", "figures", "is_final")
    )
    arms = _arms_with_the_text(broadcast for _, broadcast, _, _ in rows)
    results: defaultdict[int, Result] = defaultdict(Result)
    for version, broadcast, figures, is_final in rows:
        results[version].add(figures, is_final=is_final, arms=arms.get(broadcast))
    return dict(results)


def _arms_with_the_text(broadcasts: Iterable[int]) -> dict[int, frozenset[int]]:
    """Of broadcasts that compare texts: the arms without a text of their own."""
    arms = ExperimentArm.objects.filter(experiment__broadcast__in=set(broadcasts))
    by_broadcast: defaultdict[int, dict[int, str]] = defaultdict(dict)
    for broadcast, number, body in arms.values_list("experiment__broadcast", "number", "body"):
        by_broadcast[broadcast][number] = body
    return {
        broadcast: frozenset(number for number, body in bodies.items() if not body)
        for broadcast, bodies in by_broadcast.items()
        if any(bodies.values())
    }
