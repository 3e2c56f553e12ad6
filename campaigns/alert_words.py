"""A churn alert as people read it, on the worklist, its own page and the desk."""

from __future__ import annotations

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from campaigns.models import ChurnAlert
from members.rules.churn import reason_in_words

LIKELY = 0.7  # from here on a bar is red; before it, orange
NOTHING = "—"

CHIP = (
    '<span class="inline-block font-medium rounded-default text-xs whitespace-nowrap h-6 leading-6 '
    'px-2 bg-base-500/8 text-base-700 dark:bg-base-500/20 dark:text-base-200">{}</span>'
)
BAR = (
    '<span class="inline-flex items-center gap-2 whitespace-nowrap" title="{}">'
    '<span class="bg-base-100 rounded-default overflow-hidden inline-block dark:bg-base-800" '
    'style="width:88px;height:6px">'
    '<span class="block rounded-default {}" style="width:{}%;height:6px"></span></span>'
    '<span class="font-semibold text-important">{}%</span></span>'
)


def value_in_words(alert: ChurnAlert) -> str:
    """Whole units: the worklist compares, it does not keep the books."""
    return f"¥{alert.value_amount // 100:,}" if alert.value_amount else NOTHING


def risk_bar(probability: float) -> SafeString:
    percent = round(probability * 100)
    colour = "bg-red-500" if probability >= LIKELY else "bg-orange-500"
    hint = _("28 天内没有任何活跃迹象的概率")
    return format_html(BAR, hint, colour, percent, percent)


def reasons_in_words(alert: ChurnAlert) -> list[str]:
    return [reason_in_words(reason) for reason in alert.reasons]


def reason_chips(alert: ChurnAlert, *, strongest: int | None = None) -> SafeString | str:
    """All reasons, or in a list only the strongest: they are kept in that order."""
    reasons = reasons_in_words(alert)[:strongest]
    return format_html_join(" ", CHIP, ((reason,) for reason in reasons)) or NOTHING
