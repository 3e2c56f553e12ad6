"""Experiments as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from campaigns.models import Experiment
from campaigns.rules.experiments import HOLD_OUT, ExperimentKind, ExperimentStatus, ExperimentUnit
from campaigns.rules.verdict_words import Subject, sentences_of, value_words


def subject_of(experiment: Experiment) -> Subject:
    """What its verdict speaks of. Reads its arms, its broadcast and its enterprise."""
    ends = ""
    if experiment.ends_at is not None:
        local = timezone.localtime(experiment.ends_at, experiment.broadcast.enterprise.zone)
        ends = date_format(local, "Y-m-d H:i")
    names = {arm.number: arm.name for arm in experiment.arms.all()}
    return Subject(experiment.metric, experiment.unit, names, ends)


def words_of(experiment: Experiment) -> list[str]:
    """The verdict as sentences, the first one alone enough to act on."""
    subject = subject_of(experiment)
    said: list[str] = []
    if experiment.status == ExperimentStatus.DRAFT:
        return [_("还没开始：群发第一次发出时开始。")]
    if experiment.status == ExperimentStatus.ABANDONED:
        said = [_("已放弃，没有结论。")]
    elif experiment.status == ExperimentStatus.APPLIED and experiment.winner is not None:
        said = [_("已采用%(arm)s。") % {"arm": subject.name(experiment.winner)}]
    if experiment.result is not None and experiment.status != ExperimentStatus.ABANDONED:
        return said + sentences_of(experiment.result, subject)
    return said or [_("已经开始，正在算第一次的结果。")]


def figures_of(experiment: Experiment) -> list[dict[str, Any]]:
    """One row per arm, as texts."""
    if experiment.result is None:
        return []
    subject = subject_of(experiment)
    return [
        {
            "name": subject.name(arm["number"]),
            "units": arm["units"],
            "people": arm["people"],
            "reached": arm["reached"],
            "left": arm["left"],
            "value": value_words(arm, subject) if "value" in arm else "—",
            "is_winner": arm["number"] == experiment.result["winner"],
            "is_hold_out": arm["number"] == HOLD_OUT,
        }
        for arm in experiment.result["arms"]
    ]


def design_in_words(facts: Mapping[str, Any] | None) -> str:
    """The part of an approval that is about the experiment: what is compared, and every arm."""
    if not facts:
        return _("没有实验")
    lines = [_("%(kind)s，分组单位：%(unit)s") % _labels(facts)]
    for arm in facts["arms"]:
        said = arm["body"] or arm["local_time"] or _("群发的原文")
        words = _("第 %(number)d 组（份额 %(weight)d）：%(said)s")
        lines.append(words % {"number": arm["number"], "weight": arm["weight"], "said": said})
    if facts["holdout_percent"]:
        words = _("不发送的对照组 %(percent)d%%")
        lines.append(words % {"percent": facts["holdout_percent"]})
    lines.append(_("计划 %(days)d 天") % {"days": facts["planned_days"]})
    return "\n".join(lines)


def _labels(facts: Mapping[str, Any]) -> dict[str, str]:
    kind, unit = ExperimentKind(facts["kind"]), ExperimentUnit(facts["unit"])
    return {"kind": str(kind.label), "unit": str(unit.label)}
