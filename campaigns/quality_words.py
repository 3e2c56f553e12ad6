"""How right predictions and alerts were, as people read it: figures with what they mean, sentences
and the data of charts. Whatever stands on fewer than ``FEW`` says so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from campaigns.rules.alert_quality import FEW, Bin, Checked, Effect, Judged, Saved
from campaigns.rules.statistics import Interval
from campaigns.rules.status import AlertCause
from campaigns.selectors.alert_quality import MonthOfModel, Quality

NOTHING = "—"
GREEN = "var(--color-primary-600)"
PALE = "var(--color-primary-300)"
INK = "#9ca3af"


@dataclass(frozen=True, slots=True)
class Card:
    title: str
    figure: str
    note: str
    definition: str


@dataclass(frozen=True, slots=True)
class MonthRow:
    """A line of the table; ``cells`` in the order of ``month_heads``."""

    month: str
    version: str
    is_backtest: bool
    is_few: bool
    cells: list[str]


@dataclass(frozen=True, slots=True)
class GroupRow:
    name: str
    n: str
    rate: str
    interval: str
    note: str


def percent(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f}%"


def decimal(value: float | None, places: int = 3) -> str:
    return NOTHING if value is None else f"{value:.{places}f}"


def times(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}×"


def days(value: float | None) -> str:
    return NOTHING if value is None else _("%(days)g 天") % {"days": value}


def span(interval: Interval) -> str:
    return f"{percent(interval.low)} – {percent(interval.high)}"


def points(interval: Interval) -> str:
    return f"{100 * interval.low:+.1f} – {100 * interval.high:+.1f}"


def few_words() -> str:
    return _("样本太少（不到 %(few)d），只供参考。") % {"few": FEW}


# --- the head of the page ---


def cards_of(checked: Checked) -> list[Card]:
    at_20 = checked.at_20
    base = _("全体 %(rate)s") % {"rate": percent(checked.base_rate)}
    return [
        Card(
            _("准确率（风险最高 20%）"),
            percent(at_20.precision),
            base,
            _("风险最高的 20% 里，之后 28 天真的没有任何活跃迹象的比例。"),
        ),
        Card(
            _("找到多少"),
            percent(at_20.recall),
            _("只看沉默天数 %(rate)s") % {"rate": percent(_silence_recall(checked))},
            _("所有沉默的人里，排在风险最高 20% 的比例。"),
        ),
        Card(
            _("比沉默天数规则"),
            times(at_20.lift_over_silence),
            _("只看沉默天数的准确率 %(rate)s") % {"rate": percent(at_20.silence_precision)},
            _("同样取 20% 的人，比“最久没说话的先联系”多找到几倍真的会沉默的人。"),
        ),
        Card(
            _("提前"),
            days(checked.notice_days),
            _("中位数"),
            _("从评分日到会被宣布沉默（28 天没有活跃）的那天，风险最高 20% 中说对的人。"),
        ),
        Card(
            _("校准误差"),
            percent(checked.ece),
            f"Brier {decimal(checked.brier)}",
            _("说 70% 的人里应该有 70% 真的沉默；这里是平均相差多少。Brier 越小越好。"),
        ),
        Card(
            "AUC",
            decimal(checked.auc),
            _("只看沉默天数 %(auc)s") % {"auc": decimal(checked.silence_auc)},
            _("随便取一个沉默的和一个没沉默的，前者排在前面的可能性；0.5 等于乱猜。"),
        ),
    ]


def _silence_recall(checked: Checked) -> float | None:
    return checked.at_20.silence_hits / checked.at_20.churned if checked.at_20.churned else None


def basis_in_words(checked: Checked) -> str:
    return _("%(cuts)d 个评分日，%(scored)s 人次，其中 %(churned)s 人次沉默。") % {
        "cuts": checked.cuts,
        "scored": f"{checked.scored:,}",
        "churned": f"{checked.churned:,}",
    }


# --- calibration ---


def calibration_chart(bins: list[Bin]) -> dict[str, str]:
    filled = [one for one in bins if one.n]
    series = [
        (_("预测"), [_in_percent(one.mean_p) for one in filled], PALE),
        (_("实际"), [_in_percent(one.rate) for one in filled], GREEN),
    ]
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
    options = {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "plugins": {"legend": {"align": "end", "labels": {"boxWidth": 8, "color": INK}}},
        "scales": {"x": {**axis, "grid": {"display": False}}, "y": {**axis, "max": 100}},
    }
    labels = [bin_name(one) for one in filled]
    return {
        "data": json.dumps({"labels": labels, "datasets": datasets}),
        "options": json.dumps(options),
    }


def bin_name(one: Bin) -> str:
    return f"{100 * one.low:.0f}–{100 * one.high:.0f}%"


def _in_percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 1)


def bin_rows(bins: list[Bin]) -> list[dict[str, str | bool]]:
    return [
        {
            "name": bin_name(one),
            "n": f"{one.n:,}",
            "said": percent(one.mean_p),
            "was": percent(one.rate),
            "interval": span(one.interval),
            "is_few": one.n < FEW,
        }
        for one in bins
        if one.n
    ]


# --- month by month ---


def month_heads() -> list[tuple[str, str]]:
    """(name, what it means)"""
    return [
        (_("人次"), _("评分人次 / 其中沉默。")),
        ("AUC", _("排序能力，0.5 等于乱猜。")),
        ("Brier", _("概率误差的平方，越小越好。")),
        (_("准确率 10%"), _("风险最高 10% 里真的沉默的比例。")),
        (_("准确率 20%"), _("风险最高 20% 里真的沉默的比例。")),
        (_("找到 20%"), _("所有沉默的人里，排在风险最高 20% 的比例。")),
        (_("提升 20%"), _("比随机抽同样多的人高几倍。")),
        (_("比沉默天数"), _("比只看沉默天数、取同样多的人多找到几倍。")),
        (_("提前"), _("从评分日到会被宣布沉默的天数，中位数。")),
        (_("预警"), _("有结果的预警 / 全部预警，含不干预的对照。")),
        (_("预警准确率"), _("有结果的预警里，沉默或退群的比例；挽回成功的看起来像误报。")),
        (_("预警提前"), _("从预警到宣布沉默的天数，中位数。")),
    ]


def month_row(row: MonthOfModel) -> MonthRow:
    few = [part.is_few for part in (row.checked, row.alerts) if part is not None]
    return MonthRow(
        month=date_format(row.month, "Y-m"),
        version=row.model_version,
        is_backtest=row.is_backtest,
        is_few=any(few),
        cells=[*_checked_cells(row.checked), *_alert_cells(row.alerts)],
    )


def _checked_cells(checked: Checked | None) -> list[str]:
    if checked is None:
        return [NOTHING] * 9
    return [
        f"{checked.scored:,} / {checked.churned:,}",
        decimal(checked.auc),
        decimal(checked.brier),
        percent(checked.at_10.precision),
        percent(checked.at_20.precision),
        percent(checked.at_20.recall),
        times(checked.at_20.lift),
        times(checked.at_20.lift_over_silence),
        days(checked.notice_days),
    ]


def _alert_cells(alerts: Judged | None) -> list[str]:
    if alerts is None:
        return [NOTHING] * 3
    return [
        f"{alerts.decided:,} / {alerts.raised:,}",
        percent(alerts.precision),
        days(alerts.notice_days),
    ]


# --- the alerts and what acting on them does ---


def cause_rows(causes: dict[AlertCause, Judged]) -> list[GroupRow]:
    return [
        GroupRow(
            name=str(cause.label),
            n=f"{alerts.decided:,} / {alerts.raised:,}",
            rate=percent(alerts.precision),
            interval=span(alerts.precision_interval) if alerts.decided else NOTHING,
            note=few_words() if alerts.is_few else "",
        )
        for cause, alerts in causes.items()
        if alerts.raised
    ]


def alerts_in_words(alerts: Judged) -> str:
    if not alerts.raised:
        return _("这段时间没有预警。")
    words = _(
        "共 %(raised)s 条预警：%(saved)s 条成员已回来，%(lost)s 条已沉默，%(left)s 条已退群，"
        "%(pending)s 条还没到有结果的时候，%(unknown)s 条没有数据或不再观察。"
    ) % {
        "raised": f"{alerts.raised:,}",
        "saved": f"{alerts.saved:,}",
        "lost": f"{alerts.lost:,}",
        "left": f"{alerts.left:,}",
        "pending": f"{alerts.pending:,}",
        "unknown": f"{alerts.unmeasured + alerts.unwatched:,}",
    }
    if alerts.notice_days is not None:
        notice = {"days": days(alerts.notice_days)}
        words += _("从预警到宣布沉默，中位数 %(days)s。") % notice
    return words


def effect_rows(effect: Effect) -> list[GroupRow]:
    return [
        _saved_row(_("不干预的对照"), effect.held_out, _("随机抽出，没有人联系")),
        _saved_row(_("可以干预的"), effect.offered, _("其余全部，不管有没有人跟进")),
        _saved_row(
            _("真的干预了的"),
            effect.acted_on,
            _("由人挑选，不能和对照直接比：挑的可能本来就会回来"),
        ),
    ]


def _saved_row(name: str, saved: Saved, note: str) -> GroupRow:
    return GroupRow(
        name=name,
        n=f"{saved.saved:,} / {saved.n:,}",
        rate=percent(saved.rate),
        interval=span(saved.interval) if saved.n else NOTHING,
        note=note,
    )


def effect_in_words(effect: Effect) -> str:
    if effect.difference is None:
        return _("还没有足够的结果：对照和可以干预的都要有成员到了观察期结束。")
    words = _("可以干预的比对照多回来 %(points)+.1f 个百分点（95%% 区间 %(interval)s）。") % {
        "points": 100 * effect.difference,
        "interval": points(effect.interval),
    }
    if effect.is_few:
        return words + few_words()
    if not effect.is_certain:
        return words + _("区间包含 0：还不能说挽回有用。")
    if effect.difference > 0:
        return words + _("区间不含 0：挽回是有用的。")
    return words + _("区间不含 0，而且更差：请停下来看看是怎么联系的。")


def page_of(quality: Quality) -> dict[str, Any]:
    """Everything the page shows. Without a check of its own scores it shows the backtest."""
    shown = quality.checked or quality.backtested
    return {
        "is_backtest": quality.checked is None and quality.backtested is not None,
        "cards": cards_of(shown) if shown else [],
        "basis": basis_in_words(shown) if shown else "",
        "few": few_words() if shown is None or shown.is_few else "",
        "calibration": calibration_chart(shown.bins) if shown else None,
        "bins": bin_rows(shown.bins) if shown else [],
        "month_heads": month_heads(),
        "months": [month_row(row) for row in quality.months],
        "alerts": alerts_in_words(quality.alerts),
        "causes": cause_rows(quality.causes),
        "effect": effect_in_words(quality.effect),
        "effect_rows": effect_rows(quality.effect),
    }
