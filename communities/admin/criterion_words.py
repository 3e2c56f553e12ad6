"""What the criterion builder says and offers: handed to its script with the page."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scrm.shared.criteria import (
    MAX_CLAUSES,
    MAX_DEPTH,
    METRICS,
    REFERENCE,
    MetricDefinition,
    MetricRegistry,
    Operator,
    ValueType,
)
from scrm.shared.criterion_words import operator_words

# of the API that counts and offers choices; its app lies above this one
ESTIMATE_URL = "/api/v1/criteria/estimate/"
CHOICES_URL = "/api/v1/criteria/choices/?"

# the language counts money in minor units; operators type it in whole ones
BAD_MONEY = gettext_lazy("请填金额，单位是元，最多两位小数，例如 199.50。")
BAD_NUMBER = gettext_lazy("请填 0 或更大的整数。")
BAD_PERCENT = gettext_lazy("请填 0 到 100 的整数。")
BAD_WINDOW = gettext_lazy("“近几天”应是 1 到 3660 的整数。")


def builder_settings(registry: MetricRegistry = METRICS) -> dict[str, object]:
    """Only of criteria over members it is counted who meets them."""
    return {
        "metrics": [metric_facts(metric) for metric in registry],
        "max_depth": MAX_DEPTH,
        "max_clauses": MAX_CLAUSES,
        "estimate_url": ESTIMATE_URL if registry is METRICS else "",
        "choices_url": CHOICES_URL,
        "words": builder_words(),
    }


def metric_facts(metric: MetricDefinition) -> dict[str, object]:
    return {
        "name": metric.name,
        "label": str(metric.label),
        "unit": str(metric.unit),
        "source": str(metric.source),
        "definition": str(metric.definition),
        "value_type": metric.value_type.value,
        "operators": [operator.value for operator in metric.operators],
        "takes_window": metric.takes_window.value,
        "parameter": metric.parameter.value if metric.parameter else None,
    }


def builder_words() -> dict[str, Any]:
    return {
        "how": _("怎样组合"),
        "kinds": {"all": _("全部满足"), "any": _("满足任意一条"), "none": _("都不满足")},
        "joins": {"all": _("并且"), "any": _("或者"), "none": _("也不")},
        "metric": _("指标"),
        "choose_metric": _("选择指标…"),
        "comparison": _("比较"),
        "value": _("数值"),
        "window": _("近几天"),
        "window_before": _("近"),
        "window_after": _("天"),
        "any_time": _("不限"),
        "money_unit": _("元"),
        "search": _("输入名称或代码查找"),
        "clause": _("第 {number} 条"),
        "group": _("条件组"),
        "explain": _("这个指标怎么算"),
        "add_clause": _("添加条件"),
        "add_group": _("添加条件组"),
        "undo": _("撤销移除"),
        "up": _("上移{name}"),
        "down": _("下移{name}"),
        "remove": _("移除{name}"),
        "no_choices": _("没有找到。"),
        "no_answer": _("暂时无法计算，请稍后再试。"),
        "counting": _("正在计算…"),
        "counted": _("约 {count} 人符合（共 {total} 人），用时 {ms} ms"),
        "unfinished": _("填完第 {number} 条后显示有多少人符合。"),
        "refused": _("请先改正标出的地方。"),
        "bad_money": str(BAD_MONEY),
        "bad_number": str(BAD_NUMBER),
        "bad_percent": str(BAD_PERCENT),
        "bad_window": str(BAD_WINDOW),
        "operators": operators_in_words(),
        "parameters": {
            ValueType.COMMUNITY.value: _("在哪个社群"),
            ValueType.TIER_SCHEME.value: _("在哪个分层方案"),
        },
        "parameters_empty": {
            ValueType.COMMUNITY.value: _("所有社群"),
            ValueType.TIER_SCHEME.value: _("最早的方案"),
        },
    }


def operators_in_words() -> dict[str, dict[str, str]]:
    """By value type; what a type does not name is said as of any number."""
    number = {
        Operator.GTE.value: _("至少 ≥"),
        Operator.GT.value: _("多于 >"),
        Operator.LTE.value: _("至多 ≤"),
        Operator.LT.value: _("少于 <"),
        Operator.EQ.value: _("正好 ="),
    }
    naming = {
        value_type.value: {op.value: operator_words(value_type)[op] for op in REFERENCE}
        for value_type in ValueType
    }
    return {"number": number, **naming}
