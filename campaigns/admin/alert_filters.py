"""What the worklist of alerts can be narrowed by."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter

from campaigns.models import ChurnAlert
from campaigns.rules.status import AlertStatus
from scrm.accounts.admin_scope import admin_user

CLOSED = (
    AlertStatus.RECOVERED,
    AlertStatus.CHURNED,
    AlertStatus.DISMISSED,
    AlertStatus.EXPIRED,
)


class StateFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    """The worklist shows what is to be done; what is done is one click away."""

    title = _("状态")
    parameter_name = "state"
    all_option = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        closed = [(status.value, status.label) for status in CLOSED]
        return [("open", _("未关闭")), *closed, ("all", _("全部"))]

    def value(self) -> str:
        return super().value() or "open"

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[ChurnAlert]
    ) -> models.QuerySet[ChurnAlert]:
        if self.value() == "open":
            return queryset.filter(closed_at=None)
        return queryset if self.value() == "all" else queryset.filter(status=self.value())


class MineFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("跟进")
    parameter_name = "mine"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("只看我的")), ("nobody", _("无人负责"))]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[ChurnAlert]
    ) -> models.QuerySet[ChurnAlert]:
        if self.value() == "yes":
            staff_id = admin_user(request).staff_id
            return queryset.filter(assignee__isnull=False, assignee=staff_id)
        return queryset.filter(assignee=None) if self.value() == "nobody" else queryset
