"""Progress and reasons as people read them."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from campaigns.rules.reasons import REASONS, reason_words
from campaigns.rules.status import BroadcastStatus, DispatchStatus, RunStatus
from scrm.wecom.client.codes import words_of

NOTHING = "—"

STATUS_COLOURS = {
    BroadcastStatus.IN_REVIEW: "warning",
    BroadcastStatus.APPROVED: "info",
    BroadcastStatus.SCHEDULED: "info",
    BroadcastStatus.RUNNING: "primary",
    BroadcastStatus.PAUSED: "warning",
    BroadcastStatus.HALTED: "danger",
    BroadcastStatus.COMPLETED: "success",
    BroadcastStatus.PARTIALLY_COMPLETED: "warning",
    BroadcastStatus.FAILED: "danger",
}

RUN_COLOURS = {
    RunStatus.ASKED: "warning",
    RunStatus.FREEZING: "info",
    RunStatus.SENDING: "primary",
    RunStatus.CANCELLING: "warning",
    RunStatus.FINISHED: "success",
    RunStatus.SKIPPED: "warning",
}

DISPATCH_COLOURS = {
    DispatchStatus.LEASED: "primary",
    DispatchStatus.AWAITING: "warning",
    DispatchStatus.STOPPING: "warning",
    DispatchStatus.DONE: "success",
}

BAR = (
    '<span class="campaign-bar" title="{}">'
    '<progress max="{}" value="{}"></progress><span>{}%</span></span>'
)

PLATFORM_CODE = "wecom_"


def reason_in_words(code: str) -> str:
    if not code:
        return NOTHING
    number = code.removeprefix(PLATFORM_CODE)
    if number != code and code not in REASONS and number.lstrip("-").isdecimal():
        return words_of(int(number))
    return reason_words(code)


def progress_bar(settled: int, total: int) -> SafeString | str:
    if not total:
        return NOTHING
    hint = _("%(settled)d / %(total)d") % {"settled": settled, "total": total}
    return format_html(BAR, hint, total, settled, 100 * settled // total)


def duration_in_words(seconds: float) -> str:
    """Roughly: 40 秒、12 分钟、3 小时、2 天."""
    for size, words in (
        (86_400, _("%(n)d 天")),
        (3_600, _("%(n)d 小时")),
        (60, _("%(n)d 分钟")),
    ):
        if seconds >= 1.5 * size:
            return words % {"n": round(seconds / size)}
    return _("%(n)d 秒") % {"n": max(1, round(seconds))}
