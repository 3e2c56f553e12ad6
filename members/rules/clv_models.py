"""When an enterprise's own model of value is good enough to be used, what stands in for it
otherwise, and how that is said."""

from __future__ import annotations

from datetime import date

from django.utils.translation import gettext as _

LEAST_BUYERS = 300
LEAST_REPEATERS = 100
MOST_CORRELATION = 0.3  # between how often and how much; the model of amounts assumes none
REFIT_DAYS = 7
#: What was published for a music shop's customers (Fader, Hardie and Lee 2005): r, alpha in
#: weeks, a, b; and p, q of the amounts. The scale of money is always the enterprise's own.
DEFAULT_BTYD = (0.243, 4.414, 0.793, 2.426)
DEFAULT_SHAPE = (6.25, 3.74)

LEAST_SPAN = 84  # days of history that can be split into two parts
LONGEST_HOLDOUT = 364

type Note = dict[str, object]


def is_refit_due(trained_until: date | None, on: date) -> bool:
    return trained_until is None or (on - trained_until).days >= REFIT_DAYS


def holdout_days(first: date, on: date) -> int | None:
    """The later half of the history, at most a year; None where there is too little of it."""
    span = (on - first).days
    return min(span // 2, LONGEST_HOLDOUT) if span >= LEAST_SPAN else None


def sentences() -> dict[str, str]:
    """Why a model of value is as it is, by the code of a note."""
    return {
        "too_few_buyers": _(
            "购买过的成员 %(buyers)s 人、复购 %(repeaters)s 人，少于 300 和 100："
            "次数用公开的默认参数，金额用本企业的平均值"
        ),
        "clv_not_converged": _("拟合没有收敛，未采用"),
        "clv_at_bound": _(
            "拟合到了参数边界（r 不在 0.01 到 10000 之间，或 a + b > 10000），未采用"
        ),
        "amounts_at_bound": _("金额模型不可用，每次购买按本企业的平均值收缩估计"),
        "kept_former": _("继续使用之前的模型 %(version)s"),
        "chosen_model": _("%(version)s 是人工选定的，新模型留作候选"),
        "retired_by_hand": _("本企业的模型被人工停用，用公开的默认参数"),
        "correlated": _(
            "购买次数和金额的相关系数为 %(correlation)s，超出 0.3：模型假定两者无关，估值可能有偏差"
        ),
        "several_currencies": _("有多种币种，只用了 %(currency)s"),
        "no_holdout": _("历史太短，还不能用过去检验"),
    }
