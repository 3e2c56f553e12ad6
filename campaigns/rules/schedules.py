"""What makes a broadcast begin: a time, a calendar, or a fact about somebody."""

from __future__ import annotations

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
