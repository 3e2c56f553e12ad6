"""A report as people read it: sentences, amounts and the data of its charts."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext as _

from campaigns.rules.breaker_words import percent_in_words
from campaigns.rules.money import in_yuan

NOTHING = "—"
GREEN = "var(--color-primary-600)"
PALE = "var(--color-primary-300)"
RED = "#dc2626"
INK = "#9ca3af"

type Figures = dict[str, Any]


def amount(value: int | None) -> str:
    return NOTHING if value is None else in_yuan(value)


def share(value: float | None) -> str:
    return NOTHING if value is None else percent_in_words(value)


def step_words() -> dict[str, str]:
    return {
        "delivered": _("送达"),
        "clicked": _("点击"),
        "interacted": _("互动"),
        "ordered": _("下单"),
    }


def verdict_in_words(figures: Figures) -> str:
    """The one sentence that says whether it was worth it."""
    if not figures["people_reached"]:
        return _("还没有人收到。")
    if figures["increment"] is None:
        return _(
            "没有不发送的对照组，不知道收到的人本来会买多少，所以增量、净收益和 ROI 未知。"
            "下次留 5%–10% 的对照组就能算。"
        )
    words = _("增量毛利 %(margin)s（95%% 区间 %(low)s 至 %(high)s），减成本和流失后 %(net)s。") % {
        "margin": amount(figures["margin_amount"]),
        "low": amount(figures["margin_low"]),
        "high": amount(figures["margin_high"]),
        "net": amount(figures["net_amount"]),
    }
    if figures["margin_low"] <= 0 <= figures["margin_high"]:
        words += _("区间包含 0：还不能说它带来了消费。")
    return words


def cards_of(figures: Figures) -> list[tuple[str, str, str]]:
    """(title, figure, what it means)"""
    roi = figures["roi"]
    return [
        (
            _("送达"),
            f"{figures['people_reached']:,}",
            _("共 %(total)s 个收件人") % {"total": f"{figures['recipients']['total']:,}"},
        ),
        (
            _("互动率"),
            share(figures["interaction_rate"]),
            _("%(hours)d 小时内点击、发言、评论等") % {"hours": figures["window_hours"]},
        ),
        (_("比平时多退出"), _excess(figures), _("72 小时内，按平时的退出率扣除")),
        (_("增量毛利"), amount(figures["margin_amount"]), _("与对照组相比，按毛利率折算")),
        (_("成本"), amount(figures["cost_amount"]), _("制作与权益")),
        (_("流失的价值"), amount(figures["value_lost_amount"]), _("多退出的人近一年净消费")),
        (_("净收益"), amount(figures["net_amount"]), _("增量毛利 − 成本 − 流失的价值")),
        ("ROI", NOTHING if roi is None else f"{roi:.2f}", _("净收益 ÷ 成本")),
    ]


def _excess(figures: Figures) -> str:
    if not figures["leaves"]:
        return NOTHING
    return f"{figures['leaves'][-1]['excess']:,.0f}"


def leaves_in_words(leaves: Figures) -> str:
    if not leaves["exposed"]:
        return _("还没有人收到。")
    days = leaves["usual_days"]
    usual = (
        _("之前 14 天里 %(days)d 个没有别的群发的日子") % {"days": days}
        if days
        else _("之前 14 天，每天都有群发")
    )
    return _(
        "%(exposed)s 人收到，%(leaves)s 人自己退出，占 %(rate)s（95%% 区间 %(low)s–%(high)s）；"
        "平时 %(usual_rate)s（%(usual)s）。退出的人近一年净消费 %(value)s。"
    ) % {
        "exposed": f"{leaves['exposed']:,}",
        "leaves": f"{leaves['leaves']:,}",
        "rate": share(leaves["rate"]),
        "low": share(leaves["low"]),
        "high": share(leaves["high"]),
        "usual_rate": share(leaves["usual_rate"]),
        "usual": usual,
        "value": amount(leaves["value_amount"]),
    }


def funnel_chart(figures: Figures) -> dict[str, str]:
    words = step_words()
    steps = figures["funnel"]
    return _bars(
        [words[one["step"]] for one in steps],
        [
            (_("人数"), [one["people"] for one in steps], PALE),
            (_("依次走到这一步"), [one["in_order"] for one in steps], GREEN),
        ],
    )


def leaves_chart(figures: Figures) -> dict[str, str]:
    leaves = figures["leaves"]
    labels = [_("%(hours)d 小时内") % {"hours": one["window_hours"]} for one in leaves]
    usual = [round(one["usual_rate"] * one["exposed"], 1) for one in leaves]
    return _bars(
        labels,
        [(_("平时"), usual, PALE), (_("这次"), [one["leaves"] for one in leaves], RED)],
    )


def _bars(labels: list[str], series: list[tuple[str, list[Any], str]]) -> dict[str, str]:
    datasets = [
        {
            "label": label,
            "data": values,
            "backgroundColor": colour,
            "borderRadius": 4,
            "maxBarThickness": 22,
        }
        for label, values, colour in series
    ]
    axis = {"beginAtZero": True, "border": {"display": False}, "ticks": {"color": INK}}
    return {
        "data": json.dumps({"labels": labels, "datasets": datasets}),
        "options": json.dumps(
            {
                "animation": False,
                "responsive": True,
                "maintainAspectRatio": False,
                "plugins": {"legend": {"align": "end", "labels": {"boxWidth": 8, "color": INK}}},
                "scales": {"x": {**axis, "grid": {"display": False}}, "y": axis},
            }
        ),
    }
