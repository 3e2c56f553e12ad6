"""A churn alert as people read it, on the worklist, its own page and the desk."""

from __future__ import annotations

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from campaigns.models import ChurnAlert, WinbackAction
from campaigns.rules.winback import winback_reason_words
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
    '<span class="font-semibold text-important">{}</span></span>'
)


def value_in_words(alert: ChurnAlert) -> SafeString | str:
    """Whole units: the worklist compares, it does not keep the books."""
    if not alert.value_amount:
        return NOTHING
    return format_html(
        '<span title="{}">{}</span>', alert.get_value_basis_display(), yuan(alert.value_amount)
    )


def yuan(amount: float) -> str:
    return f"¥{round(amount) // 100:,}"


def stake_bar(stake: float, *, most: float) -> SafeString | str:
    """What doing nothing is expected to cost, beside the most that is at stake anywhere."""
    if not stake:
        return NOTHING
    percent = round(100 * min(1.0, stake / most)) if most else 0
    hint = _("不处理预计损失：成员价值 × 流失概率")
    return format_html(BAR, hint, "bg-primary-600", max(percent, 2), yuan(stake))


def actions_in_words(alert: ChurnAlert) -> SafeString | str:
    """What was planned or done to keep the member, the latest first."""
    rows = alert.actions.order_by("-pk").select_related("broadcast")
    lines = ((action_in_words(row),) for row in rows)
    return format_html_join(" ", CHIP, lines) or NOTHING


def action_in_words(action: WinbackAction) -> str:
    about = action.broadcast.name if action.broadcast is not None else action.benefit
    words = f"{action.get_kind_display()} · {action.get_status_display()}"
    if action.reason:
        words += f"（{winback_reason_words(action.reason)}）"
    return f"{words} · {about}" if about else words


def risk_bar(probability: float) -> SafeString:
    percent = round(probability * 100)
    colour = "bg-red-500" if probability >= LIKELY else "bg-orange-500"
    hint = _("28 天内没有任何活跃迹象的概率")
    return format_html(BAR, hint, colour, percent, f"{percent}%")


def reasons_in_words(alert: ChurnAlert) -> list[str]:
    return [reason_in_words(reason) for reason in alert.reasons]


def reason_chips(alert: ChurnAlert, *, strongest: int | None = None) -> SafeString | str:
    """All reasons, or in a list only the strongest: they are kept in that order."""
    reasons = reasons_in_words(alert)[:strongest]
    return format_html_join(" ", CHIP, ((reason,) for reason in reasons)) or NOTHING
