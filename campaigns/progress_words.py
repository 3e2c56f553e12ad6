"""Progress and reasons as people read them."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from campaigns.rules.reasons import reason_words
from campaigns.rules.status import BroadcastStatus

NOTHING = "—"

STATUS_COLOURS = {
    BroadcastStatus.IN_REVIEW: "warning",
    BroadcastStatus.APPROVED: "info",
    BroadcastStatus.SCHEDULED: "info",
    BroadcastStatus.RUNNING: "primary",
    BroadcastStatus.PAUSED: "warning",
    BroadcastStatus.COMPLETED: "success",
    BroadcastStatus.PARTIALLY_COMPLETED: "warning",
    BroadcastStatus.FAILED: "danger",
}

BAR = (
    '<span class="campaign-bar" title="{}">'
    '<progress max="{}" value="{}"></progress><span>{}%</span></span>'
)


def reason_in_words(code: str) -> str:
    return reason_words(code) if code else NOTHING


def progress_bar(settled: int, total: int) -> SafeString | str:
    if not total:
        return NOTHING
    hint = _("%(settled)d / %(total)d") % {"settled": settled, "total": total}
    return format_html(BAR, hint, total, settled, 100 * settled // total)
