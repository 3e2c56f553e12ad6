"""What a look at the quits of a run says to people: the price in members and in value."""

from __future__ import annotations

from django.utils.translation import gettext as _

from campaigns.rules.breaker import Verdict
from campaigns.rules.money import in_yuan


def percent_in_words(share: float) -> str:
    return f"{100 * share:.2f}%"


def price_in_words(*, leaves: int, value_amount: int, verdict: Verdict) -> str:
    return _("%(leaves)d 人退出（比平时多约 %(excess)d 人），近一年净消费 %(value)s") % {
        "leaves": leaves,
        "excess": round(verdict.excess),
        "value": in_yuan(value_amount),
    }


def trip_in_words(
    *, window_hours: int, exposed: int, leaves: int, value_amount: int, verdict: Verdict
) -> str:
    return _(
        "收到后 %(hours)d 小时内，%(exposed)d 人中有 %(price)s；"
        "退出率 %(rate)s（95%% 区间 %(lower)s–%(upper)s），平时 %(usual)s。"
    ) % {
        "hours": window_hours,
        "exposed": exposed,
        "price": price_in_words(leaves=leaves, value_amount=value_amount, verdict=verdict),
        "rate": percent_in_words(verdict.rate),
        "lower": percent_in_words(verdict.lower),
        "upper": percent_in_words(verdict.upper),
        "usual": percent_in_words(verdict.usual),
    }


def task_title(*, name: str, leaves: int, is_halted: bool) -> str:
    template = (
        _("“%(name)s”发出后 %(leaves)d 人退出，已叫停：查明原因，决定恢复还是取消")
        if is_halted
        else _("“%(name)s”发出后 %(leaves)d 人退出，已全部发出、无法叫停：查明原因")
    )
    return template % {"name": name[:60], "leaves": leaves}
