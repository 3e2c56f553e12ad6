"""After how many hours colleagues who have not confirmed yet are reminded."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from campaigns.errors import BadReminders

MAX_HOURS = 720  # after 30 days the platform has forgotten the task
PER_DAY = 3  # what the platform takes for a task in 24 hours (WeCom, page 97610)
HOURS_A_DAY = 24


def clean_hours(hours: Iterable[int]) -> list[int]:
    """Each once and in order, or a refusal: no more than the platform takes in any 24 hours."""
    ordered = sorted(set(hours))
    if any(not 1 <= hour <= MAX_HOURS for hour in ordered):
        raise BadReminders(_("提醒时间应在 1 到 %(limit)d 小时之间。") % {"limit": MAX_HOURS})
    for first, fourth in zip(ordered, ordered[PER_DAY:], strict=False):
        if fourth - first < HOURS_A_DAY:
            raise BadReminders(
                _("平台每 24 小时最多提醒 %(limit)d 次，请隔开一些。") % {"limit": PER_DAY}
            )
    return ordered
