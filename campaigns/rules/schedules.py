"""What makes a broadcast begin: a time, a calendar, or a fact about somebody."""

from __future__ import annotations

from datetime import date, time
from typing import Protocol

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class ScheduleKind(TextChoices):
    RECURRING = "recurring", _("按规则重复")
    FESTIVAL = "festival", _("节日")
    MEMBER_DAY = "member_day", _("会员日")
    BIRTHDAY = "birthday", _("成员生日")
    TIER_REACHED = "tier_reached", _("达到层级时")
    SILENT = "silent", _("连续沉默时")


#: Begun by the calendar, for everybody in the audience.
BY_CALENDAR = frozenset({ScheduleKind.RECURRING, ScheduleKind.FESTIVAL, ScheduleKind.MEMBER_DAY})
#: Begun by facts, for those whom they are about.
BY_FACT = frozenset({ScheduleKind.BIRTHDAY, ScheduleKind.TIER_REACHED, ScheduleKind.SILENT})


class DayRule(TextChoices):
    ANY = "any", _("不管是不是工作日")
    WORKING_DAYS = "working_days", _("只在工作日（含调休上班）")
    REST_DAYS = "rest_days", _("只在休息日")
    NEXT_WORKING_DAY = "next_working_day", _("遇休息日顺延到下一个工作日")


class Festival(TextChoices):
    NEW_YEAR = "new_year", _("元旦")
    LABA = "laba", _("腊八节")
    LITTLE_NEW_YEAR = "little_new_year", _("小年")
    SPRING_FESTIVAL_EVE = "spring_festival_eve", _("除夕")
    SPRING_FESTIVAL = "spring_festival", _("春节")
    LANTERN = "lantern", _("元宵节")
    VALENTINE = "valentine", _("情人节")
    WOMENS_DAY = "womens_day", _("妇女节")
    QINGMING = "qingming", _("清明节")
    LABOUR_DAY = "labour_day", _("劳动节")
    MOTHERS_DAY = "mothers_day", _("母亲节")
    CHILDRENS_DAY = "childrens_day", _("儿童节")
    DRAGON_BOAT = "dragon_boat", _("端午节")
    FATHERS_DAY = "fathers_day", _("父亲节")
    SHOPPING_618 = "shopping_618", _("618")
    QIXI = "qixi", _("七夕")
    MID_AUTUMN = "mid_autumn", _("中秋节")
    TEACHERS_DAY = "teachers_day", _("教师节")
    NATIONAL_DAY = "national_day", _("国庆节")
    DOUBLE_NINTH = "double_ninth", _("重阳节")
    DOUBLE_11 = "double_11", _("双十一")
    DOUBLE_12 = "double_12", _("双十二")
    WINTER_SOLSTICE = "winter_solstice", _("冬至")
    CHRISTMAS = "christmas", _("圣诞节")


class Planned(Protocol):
    """What is asked of a schedule here: the row has it."""

    kind: str
    time_zone: str
    local_time: time
    rrule: str
    festivals: list[str]
    day_offset: int
    member_day: int | None
    day_rule: str
    silent_days: int | None
    starts_on: date | None
    ends_on: date | None
    max_count: int | None

    @property
    def tier_id(self) -> int | None: ...


def schedule_facts(schedule: Planned | None) -> dict[str, object]:
    """What an approver approves of a schedule, in plain values; nothing of one that runs once."""
    if schedule is None:
        return {}
    return {
        "kind": str(schedule.kind),
        "time_zone": schedule.time_zone,
        "local_time": schedule.local_time.isoformat(),
        "rrule": schedule.rrule,
        "festivals": sorted(str(festival) for festival in schedule.festivals),
        "day_offset": schedule.day_offset,
        "member_day": schedule.member_day,
        "day_rule": str(schedule.day_rule),
        "tier": schedule.tier_id,
        "silent_days": schedule.silent_days,
        "starts_on": schedule.starts_on and schedule.starts_on.isoformat(),
        "ends_on": schedule.ends_on and schedule.ends_on.isoformat(),
        "max_count": schedule.max_count,
    }
