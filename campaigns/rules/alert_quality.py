"""How right predictions and alerts were, and what acting on alerts does: pure sums.

Checks of several cuts add up: what was counted is summed, an area under the curve weighs by its
pairs (one who fell silent and one who did not), a mean by its people. Who was scored on several
cuts counts on each. Fewer than ``FEW`` say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from campaigns.rules.statistics import Interval, newcombe, wilson
from campaigns.rules.status import LOST_OUTCOMES, AlertCause, AlertOutcome

FEW = 30

type Figures = dict[str, Any]


# --- the scores: what was said against what happened ---


@dataclass(frozen=True, slots=True)
class Check:
    """The figures of one community on one cut; see ``members.rules.score_checks``."""

    cut: date
    model_version: str
    is_backtest: bool
    scored: int
    churned: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class Budget:
    """The share of members most at risk: how many of them fell silent, by the scores and by the
    plain rule that names those longest silent."""

    n: int
    hits: float
    silence_hits: float
    churned: int
    base_rate: float | None

    @property
    def precision(self) -> float | None:
        return ratio(self.hits, self.n)

    @property
    def recall(self) -> float | None:
        return ratio(self.hits, self.churned)

    @property
    def lift(self) -> float | None:
        """How many times as many as among as many drawn by lot."""
        return ratio(self.precision, self.base_rate)

    @property
    def silence_precision(self) -> float | None:
        return ratio(self.silence_hits, self.n)

    @property
    def lift_over_silence(self) -> float | None:
        """How many times as many as the plain silence rule finds with the same budget."""
        return ratio(self.hits, self.silence_hits)


@dataclass(frozen=True, slots=True)
class Bin:
    """Members who were given a probability from ``low`` to ``high``."""

    low: float
    high: float
    n: int
    mean_p: float | None
    rate: float | None
    interval: Interval


@dataclass(frozen=True, slots=True)
class Checked:
    """Checks together. ``notice_days`` is the median of the cuts' medians, by their counts."""

    cuts: int
    scored: int
    churned: int
    auc: float | None
    silence_auc: float | None
    brier: float | None
    ece: float | None
    at_10: Budget
    at_20: Budget
    bins: list[Bin]
    notice_days: float | None

    @property
    def base_rate(self) -> float | None:
        return ratio(self.churned, self.scored)

    @property
    def is_few(self) -> bool:
        return self.churned < FEW or self.scored - self.churned < FEW


def ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def together(checks: Sequence[Check]) -> Checked:
    bins = bins_of(checks)
    return Checked(
        cuts=len({check.cut for check in checks}),
        scored=sum(check.scored for check in checks),
        churned=sum(check.churned for check in checks),
        auc=_mean(checks, "auc", _pairs),
        silence_auc=_mean(checks, "silence_auc", _pairs),
        brier=_mean(checks, "brier", lambda check: check.scored),
        ece=calibration_error(bins),
        at_10=budget_of(checks, "at_10"),
        at_20=budget_of(checks, "at_20"),
        bins=bins,
        notice_days=_notice(checks),
    )


def budget_of(checks: Iterable[Check], name: str) -> Budget:
    n = hits = silence_hits = churned = scored = 0.0
    for check in checks:
        mine, plain = check.figures.get(name), check.figures.get(f"silence_{name}")
        if mine and plain:
            n, hits, silence_hits = n + mine["n"], hits + mine["hits"], silence_hits + plain["hits"]
            churned, scored = churned + check.churned, scored + check.scored
    return Budget(int(n), hits, silence_hits, int(churned), ratio(churned, scored))


def bins_of(checks: Iterable[Check]) -> list[Bin]:
    sums: dict[tuple[float, float], list[float]] = {}
    for check in checks:
        for one in check.figures.get("bins", ()):
            total = sums.setdefault((one["from"], one["to"]), [0, 0.0, 0.0])
            if one["n"]:
                total[0] += one["n"]
                total[1] += one["n"] * one["mean_p"]
                total[2] += one["n"] * one["rate"]
    return [
        Bin(low, high, int(n), ratio(said, n), ratio(was, n), wilson(round(was), int(n)))
        for (low, high), (n, said, was) in sorted(sums.items())
    ]


def calibration_error(bins: Iterable[Bin]) -> float | None:
    """How far what was said lies from what happened, weighed by people (Naeini et al., 2015)."""
    filled = [
        (one.n, abs(one.mean_p - one.rate))
        for one in bins
        if one.mean_p is not None and one.rate is not None
    ]
    return ratio(sum(n * far for n, far in filled), sum(n for n, _far in filled))


def _mean(checks: Iterable[Check], name: str, weight: Callable[[Check], float]) -> float | None:
    known = [
        (weight(check), float(check.figures[name]))
        for check in checks
        if check.figures.get(name) is not None
    ]
    return ratio(sum(w * value for w, value in known), sum(w for w, _value in known))


def _pairs(check: Check) -> float:
    return float(check.churned * (check.scored - check.churned))


def _notice(checks: Iterable[Check]) -> float | None:
    counts: dict[float, int] = {}
    for check in checks:
        notice = check.figures.get("notice_days") or {}
        if notice.get("median") is not None:
            counts[notice["median"]] = counts.get(notice["median"], 0) + int(notice["n"])
    return median_of(counts)


def median_of(counts: dict[float, int]) -> float | None:
    """The median of values of which each stands so many times."""
    whole = sum(counts.values())
    if not whole:
        return None
    places, passed, middle = {(whole - 1) // 2, whole // 2}, 0, []
    for value in sorted(counts):
        middle += [value for place in places if passed <= place < passed + counts[value]]
        passed += counts[value]
    return sum(middle) / len(middle)


# --- the alerts: what became of them ---


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """So many alerts that are alike. ``notice_days``: from the alert to the day on which the
    silence was declared."""

    month: date
    model_version: str
    cause: str
    is_held_out: bool
    is_acted_on: bool
    outcome: str
    notice_days: int | None
    n: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of alerts. Right are those whose member fell silent or left; one who came back
    because somebody called makes an alert look wrong, so the held out are counted apart."""

    raised: int
    pending: int
    unmeasured: int
    unwatched: int
    saved: int
    lost: int
    left: int
    held_out_decided: int
    held_out_gone: int
    notice_days: float | None

    @property
    def decided(self) -> int:
        return self.saved + self.gone

    @property
    def gone(self) -> int:
        return self.lost + self.left

    @property
    def precision(self) -> float | None:
        return ratio(self.gone, self.decided)

    @property
    def precision_interval(self) -> Interval:
        return wilson(self.gone, self.decided)

    @property
    def held_out_precision(self) -> float | None:
        return ratio(self.held_out_gone, self.held_out_decided)

    @property
    def is_few(self) -> bool:
        return self.decided < FEW


def judged(groups: Iterable[AlertGroup]) -> Judged:
    found = list(groups)
    counts: dict[str, int] = dict.fromkeys(["", *AlertOutcome.values], 0)
    for group in found:
        counts[group.outcome] += group.n
    held = [group for group in found if group.is_held_out and _is_decided(group)]
    notices: dict[float, int] = {}
    for group in found:
        if group.outcome == AlertOutcome.LOST and group.notice_days is not None:
            notices[group.notice_days] = notices.get(group.notice_days, 0) + group.n
    return Judged(
        raised=sum(counts.values()),
        pending=counts[""],
        unmeasured=counts[AlertOutcome.UNMEASURED],
        unwatched=counts[AlertOutcome.UNWATCHED],
        saved=counts[AlertOutcome.SAVED],
        lost=counts[AlertOutcome.LOST],
        left=counts[AlertOutcome.LEFT],
        held_out_decided=sum(group.n for group in held),
        held_out_gone=sum(group.n for group in held if group.outcome in LOST_OUTCOMES),
        notice_days=median_of(notices),
    )


def by_cause(groups: Sequence[AlertGroup]) -> dict[AlertCause, Judged]:
    return {
        cause: judged(group for group in groups if group.cause == cause) for cause in AlertCause
    }


def _is_decided(group: AlertGroup) -> bool:
    return group.outcome == AlertOutcome.SAVED or group.outcome in LOST_OUTCOMES


# --- what acting on alerts does ---


@dataclass(frozen=True, slots=True)
class Saved:
    """Of so many decided alerts, how many of the members came back."""

    n: int
    saved: int

    @property
    def rate(self) -> float | None:
        return ratio(self.saved, self.n)

    @property
    def interval(self) -> Interval:
        return wilson(self.saved, self.n)


@dataclass(frozen=True, slots=True)
class Effect:
    """Who came back: of all that could be acted on, of those that were, and of the held out.

    Only the first and the last were parted by lot, so only their difference is what acting does;
    whom colleagues choose to call may be likelier to come back anyway. Intervals by Newcombe
    (1998).
    """

    held_out: Saved
    offered: Saved
    acted_on: Saved

    @property
    def difference(self) -> float | None:
        return self._beyond_held_out(self.offered)

    @property
    def interval(self) -> Interval:
        return self._interval(self.offered)

    @property
    def acted_difference(self) -> float | None:
        return self._beyond_held_out(self.acted_on)

    @property
    def acted_interval(self) -> Interval:
        return self._interval(self.acted_on)

    @property
    def is_few(self) -> bool:
        return min(self.held_out.n, self.offered.n) < FEW

    @property
    def is_certain(self) -> bool:
        """Whether the interval leaves out that acting does nothing."""
        return not self.is_few and 0 not in self.interval

    def _beyond_held_out(self, group: Saved) -> float | None:
        usual = self.held_out.rate
        return None if group.rate is None or usual is None else group.rate - usual

    def _interval(self, group: Saved) -> Interval:
        return newcombe(self.held_out.saved, self.held_out.n, group.saved, group.n)


def effect_of(groups: Iterable[AlertGroup]) -> Effect:
    decided = [group for group in groups if _is_decided(group)]
    return Effect(
        held_out=_saved(group for group in decided if group.is_held_out),
        offered=_saved(group for group in decided if not group.is_held_out),
        acted_on=_saved(group for group in decided if group.is_acted_on),
    )


def _saved(groups: Iterable[AlertGroup]) -> Saved:
    found = list(groups)
    return Saved(
        n=sum(group.n for group in found),
        saved=sum(group.n for group in found if group.outcome == AlertOutcome.SAVED),
    )
