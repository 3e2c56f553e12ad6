from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.decorators import display

from scrm.accounts.admin_scope import HistoryModelAdmin
from scrm.accounts.rules.roles import Capability
from scrm.wecom.models import ApiQuota
from scrm.wecom.selectors import platform_day


class DayFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    """Today comes first; the days before are one click away."""

    title = _("日期")
    parameter_name = "days"
    all_option = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("today", _("今天")), ("all", _("全部"))]

    def value(self) -> str:
        return super().value() or "today"

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[ApiQuota]
    ) -> models.QuerySet[ApiQuota]:
        if self.value() == "all":
            return queryset
        return queryset.filter(day=platform_day(timezone.now()))


@admin.register(ApiQuota)
class ApiQuotaAdmin(HistoryModelAdmin[ApiQuota]):
    """How much each API was called on each Beijing day."""

    view_capability = Capability.VIEW_ACCOUNTS
    list_display = (
        "api",
        "day",
        "connection",
        "call_count",
        "refused_count",
        "last_code",
        "slowest_ms",
        "parked",
    )
    list_filter = (DayFilter, "connection")
    list_select_related = ("connection",)
    list_fullwidth = True
    search_fields = ("api",)
    ordering = ("-day", "-call_count", "pk")
    fields = (
        ("api", "day"),
        "connection",
        ("call_count", "refused_count", "slowest_ms"),
        ("last_code", "last_refused_at"),
        "parked_until",
    )

    @display(description=_("现在"), label={"parked": "danger", "open": "success"})
    def parked(self, quota: ApiQuota) -> tuple[str, str]:
        now: datetime = timezone.now()
        if quota.parked_until is not None and quota.parked_until > now:
            return "parked", gettext("已暂停")
        return "open", gettext("可调用")
