"""What an experiment tells: arms with their figures in, a verdict with its reasons out.

The order is fixed: first whether the arms are as large as they were meant to be, then whether it
is time, then the difference, then whether more people left. Loads SciPy; see
``campaigns.rules.distributions``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from math import isfinite
from typing import Any

from campaigns.rules.comparing import (
    adjust,
    compare,
    compare_leaves,
    look_early,
    look_early_at_leaves,
)
from campaigns.rules.distributions import SRM_ALPHA, srm
from campaigns.rules.experiments import HOLD_OUT, ExperimentUnit
from campaigns.rules.outcomes import Arm, Compared, Question
from campaigns.rules.statistics import ALPHA, holm, wilson

CONTROL = 1
FEWEST_UNITS = 2


class Code(StrEnum):
    NO_DATA = "no_data"
    UNEVEN = "uneven"
    TOO_FEW = "too_few"
    EARLY = "early"
    EARLY_DIFFERENCE = "early_difference"
    BETTER = "better"
    NO_DIFFERENCE = "no_difference"
    MORE_LEAVES = "more_leaves"


@dataclass(frozen=True, slots=True)
class Verdict:
    code: Code
    is_final: bool
    winner: int | None = None
    srm_p: float | None = None
    arms: list[dict[str, Any]] = field(default_factory=list)
    comparisons: list[Compared] = field(default_factory=list)
    against_nobody: list[Compared] = field(default_factory=list)
    leaves: list[Compared] = field(default_factory=list)
    variance_cut: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: an interval without an end has none."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def judge(question: Question, arms: Sequence[Arm]) -> Verdict:
    """``arms`` are all of them, the hold-out with number 0."""
    shown = [_shown(question, arm) for arm in arms]
    verdict = Verdict(Code.TOO_FEW, question.is_final, arms=shown)
    if not question.has_data:
        return replace(verdict, code=Code.NO_DATA)
    p = _size_p(question, arms)
    verdict = replace(verdict, srm_p=p)
    if p < SRM_ALPHA:
        return replace(verdict, code=Code.UNEVEN)
    if any(arm.n < FEWEST_UNITS for arm in arms) or len(arms) < 2:
        return verdict
    if not question.is_final:
        return _early(question, arms, verdict)
    return _final(question, arms, verdict)


def _early(question: Question, arms: Sequence[Arm], verdict: Verdict) -> Verdict:
    """Only what holds at every moment: no share, no p, no probability."""
    control, others = _control(arms), _others(arms)
    seen = [one for arm in others if (one := look_early(question, control, arm))]
    leaves = [one for arm in others if (one := look_early_at_leaves(question, control, arm))]
    winner = _winner(seen, is_clear=_excludes_zero)
    if _has_more_leaves(winner, leaves):
        winner = None
    code = Code.EARLY if winner is None else Code.EARLY_DIFFERENCE
    return replace(verdict, code=code, winner=winner, comparisons=seen, leaves=leaves)


def _final(question: Question, arms: Sequence[Arm], verdict: Verdict) -> Verdict:
    adjusted, cut = adjust(question, arms)
    control, others = _control(adjusted), _others(adjusted)
    compared = [compare(question, control, arm) for arm in others]
    together = holm([one.p or 0.0 for one in compared])
    compared = [replace(one, p_adjusted=p) for one, p in zip(compared, together, strict=True)]
    leaves = [compare_leaves(question, control, arm) for arm in others]
    winner = _winner(compared, is_clear=lambda one: (one.p_adjusted or 0.0) < ALPHA)
    verdict = replace(
        verdict, comparisons=compared, leaves=leaves, variance_cut=cut, code=Code.NO_DIFFERENCE
    )
    nobody = next((arm for arm in adjusted if arm.number == HOLD_OUT), None)
    if nobody is not None:
        against = [compare(question, nobody, arm) for arm in [control, *others]]
        verdict = replace(verdict, against_nobody=against)
    if winner is None:
        return verdict
    if _has_more_leaves(winner, leaves):
        return replace(verdict, code=Code.MORE_LEAVES)
    return replace(verdict, code=Code.BETTER, winner=winner)


def _winner(compared: Sequence[Compared], *, is_clear: Any) -> int | None:
    """The best of those that are clearly better than the first arm; the first, if it is clearly
    better than every other."""
    clear = [one for one in compared if is_clear(one)]
    better = [one for one in clear if one.estimate > 0]
    if better:
        return max(better, key=lambda one: one.estimate).arm
    return CONTROL if compared and len(clear) == len(compared) else None


def _has_more_leaves(winner: int | None, leaves: Sequence[Compared]) -> bool:
    """Whether clearly more left in the arm that won; of the first arm, than in another one."""
    if winner == CONTROL:
        return any(one.high is not None and one.high < 0 for one in leaves)
    return any(one.arm == winner and one.low is not None and one.low > 0 for one in leaves)


def _excludes_zero(one: Compared) -> bool:
    return one.low is not None and one.high is not None and not one.low <= 0 <= one.high


def _control(arms: Sequence[Arm]) -> Arm:
    return next(arm for arm in arms if arm.number == CONTROL)


def _others(arms: Sequence[Arm]) -> list[Arm]:
    return [arm for arm in arms if arm.number not in {HOLD_OUT, CONTROL}]


def _size_p(question: Question, arms: Sequence[Arm]) -> float:
    """Days are given out by a plan, not drawn: their number says nothing."""
    if question.unit == ExperimentUnit.CHAT_DAY:
        return 1.0
    return srm([arm.n for arm in arms], [question.shares[arm.number] for arm in arms])


def _shown(question: Question, arm: Arm) -> dict[str, Any]:
    """Before the end sizes only: a share that one can look at is a share that one acts on."""
    figures: dict[str, Any] = {
        "number": arm.number,
        "units": arm.n,
        "people": arm.people,
        "reached": arm.reached,
        "left": arm.left,
    }
    if not question.is_final or not arm.n:
        return figures
    figures["value"] = arm.moments.sample.mean
    if question.counts_people:
        interval = wilson(arm.successes, arm.n)
        figures |= {"successes": arm.successes, "low": interval.low, "high": interval.high}
    return figures


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
