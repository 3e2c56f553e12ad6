"""When a broadcast is sent, as it is chosen in the composer: once, by a rule, or by facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelect2MultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from campaigns.models import Schedule
from campaigns.rules.recurrence import rrule_parts
from campaigns.rules.schedules import BY_FACT, DayRule, Festival, ScheduleKind
from campaigns.schedule_words import WEEKDAYS
from campaigns.services.schedules import preview_schedule
from communities.models import Tier
from scrm.accounts.models import User

ONCE = "once"
ZONES = (
    "Asia/Shanghai",
    "Asia/Urumqi",
    "Asia/Hong_Kong",
    "Asia/Taipei",
    "Asia/Singapore",
    "Asia/Tokyo",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "UTC",
)
WAYS = [(ONCE, gettext_lazy("发一次，批准后再定时间")), *ScheduleKind.choices]
OTHER = "other"
PACES = [
    ("DAILY", gettext_lazy("天")),
    ("WEEKLY", gettext_lazy("周")),
    ("MONTHLY", gettext_lazy("月")),
    (OTHER, gettext_lazy("自己写规则")),
]
#: Parts of a rule that the fields can show.
SHOWN_PARTS = {"FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY"}


def number(label: Any, *, low: int, high: int, **options: Any) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        min_value=low,
        max_value=high,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        **options,
    )


def typed(label: Any, kind: str, field: type[forms.Field], **options: Any) -> Any:
    widget = UnfoldAdminTextInputWidget(attrs={"type": kind})
    return field(label=label, required=False, widget=widget, **options)


class TimeFields(forms.Form):
    """Extra fields of the composer; which of them count follows from ``time_way``."""

    time_way = forms.ChoiceField(
        label=gettext_lazy("什么时候发"),
        choices=WAYS,
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    time_local = typed(gettext_lazy("时间"), "time", forms.TimeField)
    time_zone = forms.ChoiceField(
        label=gettext_lazy("时区"), required=False, widget=UnfoldAdminSelectWidget
    )
    time_interval = number(gettext_lazy("每隔"), low=1, high=366, initial=1)
    time_pace = forms.ChoiceField(
        label=gettext_lazy("单位"), choices=PACES, required=False, widget=UnfoldAdminSelectWidget
    )
    time_weekdays = forms.MultipleChoiceField(
        label=gettext_lazy("周几"),
        choices=list(WEEKDAYS.items()),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    time_month_days = forms.CharField(
        label=gettext_lazy("几号"),
        required=False,
        max_length=120,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("例如 1, 15；-1 是最后一天。那个月没有的日子不发。"),
    )
    time_rrule = forms.CharField(
        label=gettext_lazy("规则"),
        required=False,
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("RFC 5545，例如 FREQ=MONTHLY;BYDAY=2SA。"),
    )
    time_festivals = forms.MultipleChoiceField(
        label=gettext_lazy("节日"),
        choices=Festival.choices,
        required=False,
        widget=UnfoldAdminSelect2MultipleWidget,
    )
    time_day_offset = number(
        gettext_lazy("提前或推后（天）"),
        low=-60,
        high=60,
        initial=0,
        help_text=gettext_lazy("-1 表示前一天。"),
    )
    time_member_day = number(
        gettext_lazy("每月几号"),
        low=1,
        high=31,
        help_text=gettext_lazy("那个月没有这一天时用最后一天。"),
    )
    time_tier = forms.ModelChoiceField(
        label=gettext_lazy("达到的层级"),
        queryset=Tier.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    time_silent_days = number(
        gettext_lazy("沉默几天"),
        low=1,
        high=365,
        help_text=gettext_lazy("没有任何活跃迹象的天数；没有活跃数据的社群里，没有人算沉默。"),
    )
    time_day_rule = forms.ChoiceField(
        label=gettext_lazy("遇到休息日"),
        choices=DayRule.choices,
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    time_starts_on = typed(gettext_lazy("从"), "date", forms.DateField)
    time_ends_on = typed(gettext_lazy("到"), "date", forms.DateField)
    time_max_count = number(gettext_lazy("最多几次"), low=1, high=100_000)


#: What belongs to which way; everything else is hidden and not sent.
COMMON = ("time_local", "time_zone", "time_starts_on", "time_ends_on")
FIELDS_OF: dict[str, tuple[str, ...]] = {
    ONCE: (),
    ScheduleKind.RECURRING: (
        *COMMON, "time_interval", "time_pace", "time_weekdays", "time_month_days", "time_rrule",
        "time_day_rule", "time_max_count",
    ),
    ScheduleKind.FESTIVAL: (
        *COMMON, "time_festivals", "time_day_offset", "time_day_rule", "time_max_count",
    ),
    ScheduleKind.MEMBER_DAY: (
        *COMMON, "time_member_day", "time_day_offset", "time_day_rule", "time_max_count",
    ),
    ScheduleKind.BIRTHDAY: (*COMMON, "time_day_offset"),
    ScheduleKind.TIER_REACHED: (*COMMON, "time_tier"),
    ScheduleKind.SILENT: (*COMMON, "time_silent_days"),
}  # fmt: skip
TIME_FIELDS = (
    "time_way",
    ("time_local", "time_zone"),
    ("time_interval", "time_pace"),
    "time_weekdays",
    "time_month_days",
    "time_rrule",
    "time_festivals",
    "time_member_day",
    "time_tier",
    "time_silent_days",
    "time_day_offset",
    "time_day_rule",
    ("time_starts_on", "time_ends_on"),
    "time_max_count",
)


def zone_choices(*extra: str) -> list[tuple[str, str]]:
    return [(name, name) for name in dict.fromkeys([*(one for one in extra if one), *ZONES])]


def offer_times(form: forms.BaseForm, *, user: User, schedule: Schedule | None) -> None:
    """What can be chosen, and what was: the fields as the schedule stands."""
    fields: dict[str, Any] = form.fields
    own = user.enterprise.time_zone
    fields["time_zone"].choices = zone_choices(own, schedule.time_zone if schedule else "")
    fields["time_tier"].queryset = Tier.objects.visible_to(user).order_by("scheme", "rank")
    initial = initial_of(schedule) if schedule else {"time_way": ONCE, "time_zone": own}
    for name, value in initial.items():
        form.initial.setdefault(name, value)


def initial_of(schedule: Schedule) -> dict[str, Any]:
    return {
        "time_way": schedule.kind,
        "time_local": schedule.local_time.strftime("%H:%M"),
        "time_zone": schedule.time_zone,
        **rrule_fields(schedule.rrule),
        "time_festivals": schedule.festivals,
        "time_day_offset": schedule.day_offset,
        "time_member_day": schedule.member_day,
        "time_tier": schedule.tier_id,
        "time_silent_days": schedule.silent_days,
        "time_day_rule": schedule.day_rule,
        "time_starts_on": schedule.starts_on,
        "time_ends_on": schedule.ends_on,
        "time_max_count": schedule.max_count,
    }


def rrule_fields(rrule: str) -> dict[str, Any]:
    """A rule taken apart into fields; one they cannot show stays as it is written."""
    if not rrule:
        return {}
    parts = rrule_parts(rrule)
    days = [day for day in parts.get("BYDAY", "").split(",") if day]
    known = set(WEEKDAYS)
    is_plain = set(parts) <= SHOWN_PARTS and known.issuperset(days)
    if not is_plain or parts.get("FREQ") not in {value for value, _label in PACES}:
        return {"time_pace": OTHER, "time_rrule": rrule}
    return {
        "time_pace": parts["FREQ"],
        "time_interval": int(parts.get("INTERVAL", "1")),
        "time_weekdays": days,
        "time_month_days": parts.get("BYMONTHDAY", "").replace(",", ", "),
    }


def rrule_of(values: Mapping[str, Any]) -> str:
    pace = values.get("time_pace") or "DAILY"
    if pace == OTHER:
        return str(values.get("time_rrule") or "")
    parts = [f"FREQ={pace}"]
    if (every := values.get("time_interval") or 1) > 1:
        parts.append(f"INTERVAL={every}")
    if pace == "WEEKLY" and values.get("time_weekdays"):
        parts.append(f"BYDAY={','.join(values['time_weekdays'])}")
    if pace == "MONTHLY" and values.get("time_month_days"):
        days = values["time_month_days"].replace("，", ",").replace("、", ",").split(",")
        parts.append(f"BYMONTHDAY={','.join(day.strip() for day in days if day.strip())}")
    return ";".join(parts)


def rule_from(values: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments of ``set_schedule``; None: it runs once."""
    way = values.get("time_way") or ONCE
    if way == ONCE:
        return None
    used = FIELDS_OF[way]

    def of(name: str, otherwise: Any = None) -> Any:
        value = values.get(name) if name in used else None
        return otherwise if value in (None, "") else value

    return {
        "kind": way,
        "time_zone": of("time_zone", "Asia/Shanghai"),
        "local_time": of("time_local"),
        "rrule": rrule_of(values) if way == ScheduleKind.RECURRING else "",
        "festivals": list(of("time_festivals", [])),
        "day_offset": of("time_day_offset", 0),
        "member_day": of("time_member_day"),
        "day_rule": of("time_day_rule", DayRule.ANY),
        "tier": of("time_tier"),
        "silent_days": of("time_silent_days"),
        "starts_on": of("time_starts_on"),
        "ends_on": of("time_ends_on"),
        "max_count": of("time_max_count"),
    }


@dataclass(frozen=True)
class NextTimes:
    """What the panel of the composer says about the time."""

    words: str
    times: list[str]
    warning: str = ""


def in_zone(instant: datetime, zone: ZoneInfo) -> str:
    return date_format(instant.astimezone(zone), "Y-m-d (D) H:i")


def next_times_of(values: Mapping[str, Any], *, user: User) -> NextTimes | None:
    """The next five beginnings of what stands in the form; None: it runs once."""
    rule = rule_from(values)
    if rule is None or rule["local_time"] is None:
        return None
    found = preview_schedule(actor=user, **rule)
    return times_in_words(
        found.next_times,
        kind=rule["kind"],
        zone=ZoneInfo(rule["time_zone"]),
        unknown_years=found.unknown_years,
    )


def times_in_words(
    times: Sequence[datetime], *, kind: str, zone: ZoneInfo, unknown_years: Sequence[int]
) -> NextTimes:
    if not times:
        words = _("按这样的规则，以后没有一次会发送。")
    elif kind in BY_FACT:
        words = _("每天这个时间看谁符合，符合的人才会收到。")
    else:
        words = _("接下来 %(count)d 次") % {"count": len(times)}
    warning = ""
    if unknown_years:
        years = "、".join(map(str, unknown_years))
        warning = _("%(years)s 年的调休安排还没公布，到时会按公布的算。") % {"years": years}
    return NextTimes(words, [in_zone(one, zone) for one in times], warning)
