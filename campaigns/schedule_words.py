"""A schedule as a sentence."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.models import Schedule
from campaigns.rules.recurrence import rrule_parts
from campaigns.rules.schedules import DayRule, Festival, ScheduleKind

WEEKDAYS = {
    "MO": gettext_lazy("周一"),
    "TU": gettext_lazy("周二"),
    "WE": gettext_lazy("周三"),
    "TH": gettext_lazy("周四"),
    "FR": gettext_lazy("周五"),
    "SA": gettext_lazy("周六"),
    "SU": gettext_lazy("周日"),
}
TOLD = {"FREQ", "BYDAY", "BYMONTHDAY"}


def words_of(schedule: Schedule) -> str:
    """For example: 每周一、周四 10:00. A rule that has no short words is shown as it is written."""
    hour = {"hour": schedule.local_time.strftime("%H:%M")}
    words = f"{days_in_words(schedule)} {hour['hour']}"
    if schedule.time_zone != schedule.broadcast.enterprise.time_zone:
        words += f"（{schedule.time_zone}）"
    if schedule.day_rule != DayRule.ANY:
        words += f"，{schedule.get_day_rule_display()}"
    return words


def days_in_words(schedule: Schedule) -> str:
    match schedule.kind:
        case ScheduleKind.RECURRING:
            return rrule_in_words(schedule.rrule)
        case ScheduleKind.FESTIVAL:
            names = "、".join(str(Festival(one).label) for one in schedule.festivals)
            return names + offset_in_words(schedule.day_offset)
        case ScheduleKind.MEMBER_DAY:
            words = _("每月 %(day)d 号") % {"day": schedule.member_day or 1}
            return words + offset_in_words(schedule.day_offset)
        case ScheduleKind.BIRTHDAY:
            return _("成员生日") + offset_in_words(schedule.day_offset)
        case ScheduleKind.TIER_REACHED:
            return _("达到“%(tier)s”之后") % {"tier": schedule.tier.name if schedule.tier else ""}
        case ScheduleKind.SILENT:
            return _("连续沉默 %(days)d 天") % {"days": schedule.silent_days or 1}
    return schedule.get_kind_display()


def rrule_in_words(rrule: str) -> str:
    parts = rrule_parts(rrule)
    days = parts.get("BYDAY", "").split(",") if parts.get("BYDAY") else []
    if set(parts) <= TOLD and set(days) <= set(WEEKDAYS):
        if set(parts) == {"FREQ"}:
            plain = {"DAILY": _("每天"), "WEEKLY": _("每周"), "MONTHLY": _("每月")}
            return plain.get(parts["FREQ"], rrule)
        if parts["FREQ"] == "WEEKLY" and days:
            names = "、".join(str(WEEKDAYS[day]) for day in days)
            return _("每%(days)s") % {"days": names}
        if parts["FREQ"] == "MONTHLY" and "BYDAY" not in parts:
            return _("每月 %(days)s") % {"days": month_days_in_words(parts["BYMONTHDAY"])}
    return rrule


def month_days_in_words(numbers: str) -> str:
    words = []
    for number in numbers.split(","):
        if number.startswith("-"):
            words.append(_("倒数第 %(day)s 天") % {"day": number[1:]})
        else:
            words.append(_("%(day)s 号") % {"day": number})
    return "、".join(words)


def offset_in_words(days: int) -> str:
    if not days:
        return ""
    words = _("前 %(days)d 天") if days < 0 else _("后 %(days)d 天")
    return words % {"days": abs(days)}
