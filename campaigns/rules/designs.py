"""What makes an experiment sound before it begins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import time
from typing import Any

from django.utils.translation import gettext as _

from campaigns.errors import BadArms, BadDuration, BadHoldOut, BadUnit, BadWindow
from campaigns.rules.arms import WEEK
from campaigns.rules.experiments import ExperimentKind, ExperimentMetric, ExperimentUnit
from campaigns.rules.status import BroadcastTarget
from campaigns.rules.templates import VARIABLES_OF, clean_text

FIELDS = ("kind", "unit", "metric", "window_hours", "holdout_percent", "planned_days")
MOST_ARMS = 6
MOST_DAYS = 26 * WEEK
MOST_HOURS = 14 * 24
SWITCHBACK_DAYS = 4 * WEEK
SWITCHBACK_HOURS = 24  # longer, and a day's effect would be counted on the days after it


@dataclass(frozen=True, slots=True)
class ArmDraft:
    """One variant as it is written; what is empty is as the broadcast says."""

    name: str
    weight: int = 1
    body: str = ""
    local_time: time | None = None


@dataclass(frozen=True, slots=True)
class Design:
    kind: str
    unit: str
    metric: str
    window_hours: int
    holdout_percent: int
    planned_days: int
    arms: tuple[ArmDraft, ...]


def design_of_rows(experiment: Any, arms: Iterable[Any]) -> Design:
    """From an experiment's row and those of its arms in their order."""
    drafts = tuple(ArmDraft(arm.name, arm.weight, arm.body, arm.local_time) for arm in arms)
    return Design(**{name: getattr(experiment, name) for name in FIELDS}, arms=drafts)


def refuse_unsound(design: Design, *, target: str) -> None:
    """Raises what is wrong with the design for a broadcast to this target."""
    _refuse_unit(design, target)
    _refuse_duration(design)
    _refuse_arms(design)
    if design.kind == ExperimentKind.TEXT:
        _refuse_texts(design, target)
    else:
        _refuse_times(design)


def _refuse_unit(design: Design, target: str) -> None:
    is_to_members = target == BroadcastTarget.MEMBERS
    if is_to_members != (design.unit == ExperimentUnit.MEMBER):
        raise BadUnit(
            _("发给成员的群发按成员分组。")
            if is_to_members
            else _("发到群的内容全群都看得到，请按群分组，或只有一两个群时按天轮换。")
        )
    if design.unit == ExperimentUnit.CHAT_DAY and design.holdout_percent:
        raise BadHoldOut(_("按天轮换没有不发送的对照组，请填 0。"))
    if not 0 <= design.holdout_percent <= 50:
        raise BadHoldOut(_("对照组是 0 到 50%。"))


def _refuse_duration(design: Design) -> None:
    is_by_day = design.unit == ExperimentUnit.CHAT_DAY
    most_hours = SWITCHBACK_HOURS if is_by_day else MOST_HOURS
    if not 1 <= design.window_hours <= most_hours:
        raise BadWindow(_("观察时间是 1 到 %(most)d 小时。") % {"most": most_hours})
    fewest = SWITCHBACK_DAYS if is_by_day else WEEK
    if design.planned_days % WEEK or not fewest <= design.planned_days <= MOST_DAYS:
        raise BadDuration(
            _("计划天数按整周，%(fewest)d 到 %(most)d 天：一周里每天的人不一样。")
            % {"fewest": fewest, "most": MOST_DAYS}
        )
    weeks, arms = design.planned_days // WEEK, len(design.arms)
    if is_by_day and arms and weeks % arms:
        better = (weeks // arms + 1) * arms * WEEK
        raise BadDuration(
            _("每组在每个星期几要轮到一样多次，请改为 %(days)d 天。") % {"days": better}
        )


def _refuse_arms(design: Design) -> None:
    if not 2 <= len(design.arms) <= MOST_ARMS:
        raise BadArms(_("请填写 2 到 %(most)d 组。") % {"most": MOST_ARMS})
    names = [arm.name.strip() for arm in design.arms]
    if not all(names) or len(set(names)) < len(names):
        raise BadArms(_("每一组都要有名称，而且不能重名。"))
    if any(not 1 <= arm.weight <= 1000 for arm in design.arms):
        raise BadArms(_("份额是 1 到 1000。"))


def _refuse_texts(design: Design, target: str) -> None:
    for arm in design.arms:
        if arm.local_time is not None:
            raise BadArms(_("比较文案时，各组在同一时间发送，请不要填发送时间。"))
        if arm.body:
            clean_text(arm.body, allowed=VARIABLES_OF[target])
    texts = [arm.body.strip() for arm in design.arms]
    if len(set(texts)) < len(texts):
        raise BadArms(_("有两组的文案一样，比较不出什么；只有一组可以留空（用群发的原文）。"))


def _refuse_times(design: Design) -> None:
    if any(arm.body for arm in design.arms):
        raise BadArms(_("比较发送时间时，各组用同样的内容，请不要填文案。"))
    times = [arm.local_time for arm in design.arms]
    if None in times or len(set(times)) < len(times):
        raise BadArms(_("每一组都要有发送时间，而且各不相同。"))


#: Figures that a person either has or has not; the other is an amount.
SHARES = frozenset(
    {ExperimentMetric.INTERACTED, ExperimentMetric.CLICKED, ExperimentMetric.ORDERED}
)
