"""What stands for and against an experiment before its broadcast is approved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

from django.utils.translation import gettext as _

from campaigns.models import Broadcast, Experiment, ExperimentArm, Schedule
from campaigns.rules.designs import design_of_rows, refuse_unsound
from campaigns.rules.experiments import HOLD_OUT, ExperimentMetric, ExperimentStatus, ExperimentUnit
from campaigns.rules.statistics import ALPHA, NORMAL, POWER, z_of
from campaigns.selectors.arms import split_of
from scrm.shared.errors import DomainError

FEWEST_CHATS, FEW_CHATS = 2, 10
TYPICAL_SHARE = 0.1
OPEN = frozenset({ExperimentStatus.DRAFT, ExperimentStatus.RUNNING})


@dataclass(frozen=True, slots=True)
class Concern:
    """``level`` is ok, hint or block; the words say what to do."""

    level: str
    words: str


def concerns_of(broadcast: Broadcast, *, recipient_count: int | None = None) -> list[Concern]:
    """Nothing for a broadcast without an experiment. Sizes are judged only when they are known."""
    if broadcast._state.adding:
        return []
    experiment = (
        Experiment.objects.filter(broadcast=broadcast, status__in=OPEN)
        .prefetch_related("arms")
        .first()
    )
    if experiment is None:
        return []
    if experiment.status == ExperimentStatus.RUNNING:
        words = _("实验正在进行：改了内容或人群，前后就不能比较。要改，请先放弃实验。")
        return [Concern("hint", words)]
    arms = sorted(experiment.arms.all(), key=lambda arm: arm.number)
    found = [*_design(experiment, arms, broadcast), *_schedule(experiment, arms)]
    if recipient_count is not None:
        found += _sizes(experiment, recipient_count)
    return found


def _design(
    experiment: Experiment, arms: list[ExperimentArm], broadcast: Broadcast
) -> Iterator[Concern]:
    """The broadcast may have been changed since the experiment was written."""
    try:
        refuse_unsound(design_of_rows(experiment, arms), target=broadcast.target)
    except DomainError as refusal:
        yield Concern("block", refusal.message)


def _schedule(experiment: Experiment, arms: list[ExperimentArm]) -> Iterator[Concern]:
    schedule = Schedule.objects.filter(broadcast=experiment.broadcast_id).first()
    if experiment.unit == ExperimentUnit.CHAT_DAY and schedule is None:
        words = _("按天轮换要每天发一次，请给这条群发定一个每天的排期。")
        yield Concern("block", words)
    earliest = min((arm.local_time for arm in arms if arm.local_time), default=None)
    if schedule is not None and earliest is not None and schedule.local_time > earliest:
        words = _("排期在 %(start)s 开始，那时最早一组的时间（%(first)s）已过，会在第二天发。")
        yield Concern(
            "hint",
            words % {"start": f"{schedule.local_time:%H:%M}", "first": f"{earliest:%H:%M}"},
        )


def _sizes(experiment: Experiment, recipient_count: int) -> Iterator[Concern]:
    if experiment.unit == ExperimentUnit.CHAT_DAY:
        return
    shares = split_of(experiment).shares
    smallest = min(share for arm, share in shares.items() if arm != HOLD_OUT)
    size = int(recipient_count * smallest)
    if experiment.unit == ExperimentUnit.CHAT:
        yield from _chats(size)
    elif experiment.metric != ExperimentMetric.SPENT and size:
        share = TYPICAL_SHARE
        visible = (z_of(ALPHA) + NORMAL.inv_cdf(POWER)) * sqrt(2 * share * (1 - share) / size)
        words = _(
            "最小的一组约 %(size)d 人：指标在 10%% 左右时，差 %(points)s 个百分点以上才看得出。"
        )
        yield Concern("ok", words % {"size": size, "points": f"{visible * 100:.1f}"})


def _chats(size: int) -> Iterator[Concern]:
    if size < FEWEST_CHATS:
        words = _("群太少，每组不到 %(fewest)d 个，比较不出什么；请改为按天轮换。")
        yield Concern("block", words % {"fewest": FEWEST_CHATS})
    elif size < FEW_CHATS:
        words = _("每组约 %(size)d 个群，只能看出很大的差别；群不到 %(few)d 个时按天轮换更灵敏。")
        yield Concern("hint", words % {"size": size, "few": FEW_CHATS})
