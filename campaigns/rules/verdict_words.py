"""A verdict in plain sentences, with the figures that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.rules.experiments import HOLD_OUT, ExperimentMetric, ExperimentUnit

FIGURES = {
    ExperimentMetric.INTERACTED: gettext_lazy("互动率"),
    ExperimentMetric.CLICKED: gettext_lazy("点击率"),
    ExperimentMetric.ORDERED: gettext_lazy("下单率"),
    ExperimentMetric.SPENT: gettext_lazy("人均净消费"),
}
WORTH_SAYING = 0.01
FEN = 100


@dataclass(frozen=True, slots=True)
class Subject:
    """What the verdict is about. ``ends_at`` is already in words."""

    metric: str
    unit: str
    names: Mapping[int, str]
    ends_at: str = ""

    def name(self, number: int) -> str:
        return _("对照组") if number == HOLD_OUT else f"「{self.names.get(number, number)}」"

    @property
    def figure(self) -> str:
        return str(FIGURES[ExperimentMetric(self.metric)])

    @property
    def is_money(self) -> bool:
        return self.metric == ExperimentMetric.SPENT


def sentences_of(result: Mapping[str, Any], subject: Subject) -> list[str]:
    """The verdict first, then its reasons; each is a sentence that stands alone."""
    said = [HEADLINES[result["code"]](result, subject)]
    if result["code"] in {"no_data", "uneven", "too_few"}:
        return said
    said += [compared_words(one, result, subject) for one in result["comparisons"]]
    if not result["is_final"]:
        said += [leave_words(one, subject) for one in result["leaves"]]
        return said if result.get("is_by_sequence") else [*said, _early_reason()]
    if subject.unit == ExperimentUnit.CHAT_DAY:
        said.append(_("这是按天轮换的实验：同一批群，不同的日子，按星期几打乱后比较。"))
    if len(result["comparisons"]) > 1:
        said.append(_("组数多于两组，p 值已按 Holm 方法调整。"))
    if result["variance_cut"] >= WORTH_SAYING:
        cut = percent(result["variance_cut"])
        said.append(_("已扣除实验前 28 天就有的高低，波动减少了 %(cut)s。") % {"cut": cut})
    said += [against_nobody_words(one, subject) for one in result["against_nobody"]]
    said += [leave_words(one, subject) for one in result["leaves"]]
    return said


def compared_words(one: Mapping[str, Any], result: Mapping[str, Any], subject: Subject) -> str:
    """One arm against the first, with everything that is known about the difference."""
    values = {"arm": subject.name(one["arm"]), "against": subject.name(one["against"])}
    values |= {"figure": subject.figure, "range": range_words(one, subject)}
    if not result["is_final"]:
        return (
            _("到现在为止，%(arm)s的%(figure)s比%(against)s%(range)s（随时可看的区间）。") % values
        )
    values["a"] = value_words(_arm(result, one["against"]), subject)
    values["b"] = value_words(_arm(result, one["arm"]), subject)
    values["difference"] = difference_words(one["estimate"], subject)
    values["p"] = p_words(one["p_adjusted"])
    said = _(
        "%(arm)s的%(figure)s是 %(b)s，%(against)s是 %(a)s：%(difference)s，95%% 区间是%(range)s；"
        "如果其实没有差别，碰巧差这么多的可能是 %(p)s。"
    )
    text = said % values
    if one["probability"] is not None:
        values["probability"] = chance(one["probability"])
        text += _("%(arm)s比%(against)s好的可能性是 %(probability)s。") % values
    return text


def against_nobody_words(one: Mapping[str, Any], subject: Subject) -> str:
    values = {
        "arm": subject.name(one["arm"]),
        "figure": subject.figure,
        "difference": difference_words(one["estimate"], subject),
        "range": range_words(one, subject),
    }
    return (
        _("和不发送的对照组比，%(arm)s的%(figure)s%(difference)s，95%% 区间是%(range)s。") % values
    )


def leave_words(one: Mapping[str, Any], subject: Subject) -> str:
    values = {"arm": subject.name(one["arm"]), "against": subject.name(one["against"])}
    values["range"] = points_range(one["low"], one["high"])
    if one["low"] is not None and one["low"] > 0:
        return _("退出的人：%(arm)s比%(against)s多，%(range)s。") % values
    if one["high"] is not None and one["high"] < 0:
        return _("退出的人：%(arm)s比%(against)s少，%(range)s。") % values
    return _("退出的人：%(arm)s和%(against)s看不出差别，%(range)s。") % values


def value_words(arm: Mapping[str, Any], subject: Subject) -> str:
    if subject.is_money:
        return _("%(yuan)s 元") % {"yuan": f"{arm['value'] / FEN:.2f}"}
    share = percent(arm["value"])
    return f"{share}（{arm['successes']}/{arm['units']}）" if "successes" in arm else share


def difference_words(difference: float, subject: Subject) -> str:
    size = _size(abs(difference), subject)
    if not difference:
        return _("没有高低")
    return (
        _("高 %(size)s") % {"size": size} if difference > 0 else _("低 %(size)s") % {"size": size}
    )


def range_words(one: Mapping[str, Any], subject: Subject) -> str:
    if not subject.is_money:
        return points_range(one["low"], one["high"])
    if one["low"] is None or one["high"] is None:
        return _("还定不下来")
    values = {"low": f"{one['low'] / FEN:+.2f}", "high": f"{one['high'] / FEN:+.2f}"}
    return _("差 %(low)s 到 %(high)s 元") % values


def points_range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return _("还定不下来")
    return _("差 %(low)s 到 %(high)s 个百分点") % {
        "low": f"{low * 100:+.1f}",
        "high": f"{high * 100:+.1f}",
    }


def percent(share: float) -> str:
    digits = 1 if share >= 0.01 or not share else 2
    return f"{share * 100:.{digits}f}%"


def chance(probability: float) -> str:
    """Never more certain than it can be."""
    if probability > 0.999:
        return _("99.9%% 以上") % {}
    if probability < 0.001:
        return _("不到 0.1%%") % {}
    return percent(probability)


def p_words(p: float) -> str:
    return _("不到 0.1%%") % {} if p < 0.001 else percent(p)


def _size(size: float, subject: Subject) -> str:
    if subject.is_money:
        return _("%(yuan)s 元") % {"yuan": f"{size / FEN:.2f}"}
    return _("%(points)s 个百分点") % {"points": f"{size * 100:.1f}"}


def _arm(result: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    arm: Mapping[str, Any] = next(arm for arm in result["arms"] if arm["number"] == number)
    return arm


def _early_reason() -> str:
    return _("到期之前不显示各组的数字：中途按当天的高低下结论，错判会从 5%% 变成 20%% 以上。") % {}


def _no_data(result: Mapping[str, Any], subject: Subject) -> str:
    return _("不能下结论：没有发出过，或这段时间没有活跃数据。请接入或补传数据，再重新计算。")


def _uneven(result: Mapping[str, Any], subject: Subject) -> str:
    sizes = "、".join(f"{subject.name(arm['number'])} {arm['units']}" for arm in result["arms"])
    return _(
        "不能下结论：各组的大小（%(sizes)s）和计划的份额对不上，碰巧这样的可能不到 0.1%%，"
        "说明分组或发送出了偏差。请先查明原因。"
    ) % {"sizes": sizes}


def _too_few(result: Mapping[str, Any], subject: Subject) -> str:
    if result["is_final"]:
        return _("不能下结论：有一组不到两个，比较不出什么。")
    return _("还没到结论时间（%(ends)s），发出的也还太少。") % {"ends": subject.ends_at}


def _early(result: Mapping[str, Any], subject: Subject) -> str:
    return _("还没到结论时间（%(ends)s），现在分不出高下。") % {"ends": subject.ends_at}


def _early_difference(result: Mapping[str, Any], subject: Subject) -> str:
    values = {"ends": subject.ends_at, "winner": subject.name(result["winner"])}
    return (
        _(
            "还没到结论时间（%(ends)s），但随时可看的区间已经分出高下：%(winner)s更好，可以提前结束。"
        )
        % values
    )


def _better(result: Mapping[str, Any], subject: Subject) -> str:
    return _("可以下结论：%(winner)s的%(figure)s更高。") % {
        "winner": subject.name(result["winner"]),
        "figure": subject.figure,
    }


def _no_difference(result: Mapping[str, Any], subject: Subject) -> str:
    return _(
        "没有看出差别，用哪一组都可以。这不等于两组一样好：真正的差别可能在区间里任何一处，要看清得有更多人。"
    )


def _more_leaves(result: Mapping[str, Any], subject: Subject) -> str:
    return _("先别采用：有一组的%(figure)s更高，但退出的人也更多。") % {"figure": subject.figure}


HEADLINES = {
    "no_data": _no_data,
    "uneven": _uneven,
    "too_few": _too_few,
    "early": _early,
    "early_difference": _early_difference,
    "better": _better,
    "no_difference": _no_difference,
    "more_leaves": _more_leaves,
}
