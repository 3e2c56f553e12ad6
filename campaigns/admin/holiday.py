from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.datetime_filters import RangeDateFilter
from unfold.decorators import display

from campaigns.models import HolidayOverride
from campaigns.rules.working_days import WorkCalendar
from campaigns.services.holidays import add_holiday, edit_holiday, remove_holiday
from scrm.accounts.admin_scope import EnterpriseModelAdmin, admin_user
from scrm.accounts.rules.roles import Capability

WORKS, RESTS = _("上班"), _("休息")
COLOURS = {"works": "info", "rests": "success"}


@admin.register(HolidayOverride)
class HolidayOverrideAdmin(EnterpriseModelAdmin[HolidayOverride]):
    """Days on which the enterprise works, or does not, beside the calendar that we ship."""

    view_capability = Capability.VIEW_CAMPAIGNS
    add_capability = Capability.MANAGE_SEND_POLICIES
    change_capability = Capability.MANAGE_SEND_POLICIES
    delete_capability = Capability.MANAGE_SEND_POLICIES
    create_verb = add_holiday
    update_verb = edit_holiday
    list_display = ("day_label", "state", "name", "otherwise")
    list_filter = ("is_working_day", ("day", RangeDateFilter))
    search_fields = ("name",)
    fields = ("day", "is_working_day", "name")
    ordering = ("-day", "-pk")

    def get_readonly_fields(self, request: HttpRequest, obj: HolidayOverride | None = None) -> Any:
        return () if obj is None else ("day",)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        what = gettext("系统自带已公布年份的节假日和调休；这里写企业自己的，或还没公布的年份。")
        return super().changelist_view(request, {**(extra_context or {}), "subtitle": what})

    def delete_model(self, request: HttpRequest, obj: HolidayOverride) -> None:
        remove_holiday(obj.pk, actor=admin_user(request))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for override in queryset:
            remove_holiday(override.pk, actor=admin_user(request))

    @display(description=_("日期"), ordering="day")
    def day_label(self, override: HolidayOverride) -> str:
        return date_format(override.day, "Y-m-d (D)")

    @display(description=_("这一天"), label=COLOURS)
    def state(self, override: HolidayOverride) -> tuple[str, Any]:
        return ("works", WORKS) if override.is_working_day else ("rests", RESTS)

    @display(description=_("日历上"))
    def otherwise(self, override: HolidayOverride) -> str:
        return str(WORKS if WorkCalendar().is_working_day(override.day) else RESTS)
