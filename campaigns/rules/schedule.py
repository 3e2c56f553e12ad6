"""What happens to an occurrence whose time went by while nobody looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils.translation import gettext as _

from campaigns.rules.status import MisfirePolicy

#: The sweep comes round every few seconds; within this a start counts as on time.
ON_TIME = timedelta(minutes=1)
#: From here on nobody thinks in minutes.
IN_HOURS = timedelta(hours=2)


class Verdict(StrEnum):
    RUN = "run"
    SKIP = "skip"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Judged:
    """One occurrence and what becomes of it; ``reason`` says why it does not simply run."""

    slot: datetime
    verdict: Verdict
    reason: str = ""


def judge_slot(
    slot: datetime, *, now: datetime, policy: str, grace: timedelta, is_latest: bool = True
) -> Judged:
    """Of several that were missed only the latest may still be sent: nobody wants four at once."""
    late_by = now - slot
    if late_by <= ON_TIME:
        return Judged(slot, Verdict.RUN)
    words = {"late": late_in_words(late_by)}
    if not is_latest:
        reason = _("错过计划时间 %(late)s，之后还有一次，这次没有发送。")
        return Judged(slot, Verdict.SKIP, reason % words)
    if policy == MisfirePolicy.SKIP:
        reason = _("错过计划时间 %(late)s，按设置不再发送。")
        return Judged(slot, Verdict.SKIP, reason % words)
    if policy == MisfirePolicy.ASK:
        reason = _("错过计划时间 %(late)s，等人决定是否补发。")
        return Judged(slot, Verdict.ASK, reason % words)
    if late_by <= grace:
        return Judged(slot, Verdict.RUN)
    reason = _("错过计划时间 %(late)s，超过宽限，没有发送。")
    return Judged(slot, Verdict.SKIP, reason % words)


def late_in_words(late_by: timedelta) -> str:
    """In minutes below two hours, then in hours and days: "90 分钟", "5 小时", "1 天 1 小时"."""
    minutes = int(late_by.total_seconds() // 60)
    if late_by < IN_HOURS:
        return _("%(minutes)d 分钟") % {"minutes": minutes}
    days, hours = divmod(minutes // 60, 24)
    if not days:
        return _("%(hours)d 小时") % {"hours": hours}
    if not hours:
        return _("%(days)d 天") % {"days": days}
    return _("%(days)d 天 %(hours)d 小时") % {"days": days, "hours": hours}


def judge_slots(
    slots: Sequence[datetime], *, now: datetime, policy: str, grace: timedelta, is_complete: bool
) -> list[Judged]:
    """What becomes of the occurrences that are due, in order, up to the first that runs.

    ``is_complete``: no occurrence that is due is missing behind the last of these.
    """
    judged: list[Judged] = []
    for number, slot in enumerate(slots, 1):
        is_latest = is_complete and number == len(slots)
        judged.append(judge_slot(slot, now=now, policy=policy, grace=grace, is_latest=is_latest))
        if judged[-1].verdict == Verdict.RUN:
            break
    return judged
