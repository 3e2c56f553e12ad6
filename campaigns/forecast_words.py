"""A forecast as people read it: figures with their intervals, and what to do about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from campaigns.models import BroadcastForecast
from campaigns.report_words import NOTHING, amount
from campaigns.rules.forecasts import (
    COMPARED,
    ENOUGH_BROADCASTS,
    ENOUGH_LEAVES,
    FIGURES,
    Note,
    Option,
    chosen_of,
)
from campaigns.selectors.forecast_accuracy import Accuracy
from members.rules.churn import RiskBand
from members.rules.values import RfmSegment

IN_MONEY = frozenset({"value_at_stake", "margin", "net"})


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of a forecast for each way of choosing."""

    label: str
    cells: list[tuple[str, str]]  # the middle, and the interval


@dataclass(frozen=True, slots=True)
class Compared:
    label: str
    expected: str
    interval: str
    happened: str
    verdict: str
    tone: str
    record: str


@dataclass(frozen=True, slots=True)
class ForecastPanel:
    is_assumption: bool
    basis: str
    options: list[tuple[str, str]]  # what it is called, how many people
    lines: list[Line]
    warnings: list[str]
    hints: list[str]


def figure_words() -> dict[str, str]:
    return {
        "reach": _("送达"),
        "clicks": _("点击"),
        "orders": _("下单"),
        "leaves": _("退出"),
        "value_at_stake": _("流失的价值"),
        "margin": _("增量毛利"),
        "net": _("净收益"),
    }


def option_words() -> dict[str, str]:
    return {
        Option.CHOSEN.value: _("现在选的人"),
        Option.ALL.value: _("社群里所有人"),
        Option.TOP.value: _("最划算的一批"),
    }


def panel_of(forecast: BroadcastForecast) -> ForecastPanel:
    figures = forecast.figures
    options, words = figures["options"], option_words()
    return ForecastPanel(
        is_assumption=forecast.is_assumption,
        basis=_basis(figures, is_assumption=forecast.is_assumption),
        options=[
            (words[one["option"]], _("%(count)s 人") % {"count": f"{one['people']:,}"})
            for one in options
        ],
        lines=[
            Line(label, [(_middle(name, one[name]), _interval(name, one[name])) for one in options])
            for name, label in figure_words().items()
            if name in FIGURES
        ]
        if options
        else [],
        warnings=_warnings(figures),
        hints=_hints(figures),
    )


def _basis(figures: Mapping[str, Any], *, is_assumption: bool) -> str:
    counts = {"broadcasts": figures["broadcasts"], "leaves": figures["leaves"]}
    if is_assumption:
        return _(
            "只是假设：本企业有实际结果可参考的群发 %(broadcasts)d 次、退出 %(leaves)d 人，"
            "不到 %(enough)d 次和 %(enough_leaves)d 人，主要用的是默认参数。"
        ) % {**counts, "enough": ENOUGH_BROADCASTS, "enough_leaves": ENOUGH_LEAVES}
    return _("按本企业 %(broadcasts)d 次群发（%(leaves)d 人退出）的实际结果估计。") % counts


def _warnings(figures: Mapping[str, Any]) -> list[str]:
    chosen = chosen_of(figures)
    if not chosen:
        return [_("按现在的数据没有人会收到，无从预测。")]
    if Note.MARGINAL_LOSS not in figures["notes"]:
        return []
    found = [
        _(
            "其中 %(losing)s 人预计得不偿失：发给他们预计亏 %(amount)s。"
            "请缩小人群，例如排除下面几类。"
        )
        % {"losing": f"{chosen['losing']:,}", "amount": amount(round(chosen["losing_amount"]))}
    ]
    return found + [cell_in_words(one) for one in figures["worst"]]


def cell_in_words(cell: Mapping[str, Any]) -> str:
    """One kind of recipients, as an operator would choose them."""
    parts = [
        str(RfmSegment(cell["segment"]).label) if cell["segment"] else _("没有分群"),
        _("流失风险%(band)s") % {"band": RiskBand(cell["band"]).label} if cell["band"] else "",
        _("近 14 天没有动静") if cell["is_dormant"] else "",
        _("入群不到 7 天") if cell["is_new"] else "",
    ]
    return _("%(who)s：%(count)s 人，每人预计 %(amount)s") % {
        "who": "、".join(part for part in parts if part),
        "count": f"{cell['people']:,}",
        "amount": amount(round(cell["net_amount"])),
    }


def _hints(figures: Mapping[str, Any]) -> list[str]:
    hints = []
    if Note.NO_PRICES in figures["notes"]:
        hints.append(_("还没有订单，增量毛利按 0 计；导入订单后会准。"))
    if Note.NO_VALUES in figures["notes"]:
        hints.append(_("还没有成员价值，流失的价值按 0 计；成员价值每天夜里计算。"))
    if figures["unprofiled"]:
        hints.append(
            _("%(count)s 人没有画像同意或还没有价值，按其他人的平均估计。")
            % {"count": f"{figures['unprofiled']:,}"}
        )
    if figures["treated_share"] < 1:
        hints.append(
            _("实验留出 %(percent)d%% 不发，不在送达里。")
            % {"percent": round(100 * (1 - figures["treated_share"]))}
        )
    return hints


def comparison_of(forecast: BroadcastForecast, accuracy: Sequence[Accuracy]) -> list[Compared]:
    """What was said of the chosen audience beside what happened; empty where nothing was said."""
    said, words = chosen_of(forecast.figures), figure_words()
    if not said:
        return []
    happened = forecast.actual or {}
    records = {one.figure: one for one in accuracy}
    return [
        _compared(name, words[name], said[name], happened, records.get(name)) for name in COMPARED
    ]


def _compared(
    name: str,
    label: str,
    said: Mapping[str, float],
    happened: Mapping[str, Any],
    record: Accuracy | None,
) -> Compared:
    held = happened.get("inside", {}).get(name)
    verdict, tone = {
        True: (_("在区间内"), "good"),
        False: (_("在区间外"), "danger"),
        None: (NOTHING if happened else _("等报告定稿"), "hint"),
    }[held]
    value = happened.get(name)
    return Compared(
        label=label,
        expected=_middle(name, said),
        interval=_interval(name, said),
        happened=NOTHING if value is None else _shown(name, value),
        verdict=verdict,
        tone=tone,
        record=_record(record),
    )


def _record(record: Accuracy | None) -> str:
    if record is None or record.share is None:
        return NOTHING
    words = _("%(inside)d/%(judged)d 次（应约 %(expected)d%%）") % {
        "inside": record.inside,
        "judged": record.judged,
        "expected": round(100 * record.expected),
    }
    return words + (_("，样本太少") if record.is_small else "")


def _middle(name: str, one: Mapping[str, float]) -> str:
    return _shown(name, one["mean"])


def _interval(name: str, one: Mapping[str, float]) -> str:
    return f"{_shown(name, one['low'])} – {_shown(name, one['high'])}"


def _shown(name: str, value: float) -> str:
    return amount(round(value)) if name in IN_MONEY else f"{value:,.0f}"
