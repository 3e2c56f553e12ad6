from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelect2Widget

from scrm.accounts.admin_scope import EnterpriseForm, EnterpriseModelAdmin, confirm
from scrm.accounts.models import Department, Enterprise, Staff
from scrm.accounts.rules.roles import Capability
from scrm.accounts.services.departments import (
    create_department,
    delete_department,
    edit_department,
)
from scrm.accounts.services.enterprises import edit_enterprise
from scrm.accounts.services.staff import (
    create_staff,
    deactivate_staff,
    edit_staff,
    reactivate_staff,
)


class EnterpriseDescriptionForm(EnterpriseForm):
    time_zone = forms.ChoiceField(
        label=_("时区"),
        choices=lambda: [(name, name) for name in sorted(available_timezones())],
        widget=UnfoldAdminSelect2Widget,
        help_text=_("“一天”按这个时区计算。"),
    )


@admin.register(Enterprise)
class EnterpriseAdmin(EnterpriseModelAdmin[Enterprise]):
    """The operator's own company; there is never another one in the list."""

    form = EnterpriseDescriptionForm
    view_capability = Capability.VIEW_ACCOUNTS
    change_capability = Capability.MANAGE_ACCOUNTS
    update_verb = edit_enterprise
    list_display = ("name", "slug", "time_zone", "created_at")
    fields = ("name", "time_zone", "profiling_needs_consent", "slug", "created_at")
    readonly_fields = ("slug", "created_at")
    ordering = ("pk",)


@admin.register(Department)
class DepartmentAdmin(EnterpriseModelAdmin[Department]):
    view_capability = Capability.VIEW_ACCOUNTS
    add_capability = Capability.MANAGE_ACCOUNTS
    change_capability = Capability.MANAGE_ACCOUNTS
    create_verb = create_department
    update_verb = edit_department
    list_display = ("name", "parent", "staff_count", "external_id")
    list_filter = ("parent",)
    list_select_related = ("parent",)
    search_fields = ("name", "external_id")
    autocomplete_fields = ("parent",)
    fields = ("name", "parent", "external_id")
    ordering = ("name", "pk")
    actions = ("delete_empty",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Department]:
        rows = super().get_queryset(request)
        return rows.annotate(staff_total=models.Count("staff"))

    @display(description=_("员工数"), ordering="staff_total")
    def staff_count(self, department: Any) -> int:
        return int(department.staff_total)

    @admin.action(description=_("删除所选的空部门"), permissions=["change"])
    def delete_empty(self, request: HttpRequest, queryset: models.QuerySet[Department]) -> None:
        self.run_on_rows(request, queryset, delete_department, done=gettext("已删除"))


@admin.register(Staff)
class StaffAdmin(EnterpriseModelAdmin[Staff]):
    view_capability = Capability.VIEW_ACCOUNTS
    add_capability = Capability.MANAGE_ACCOUNTS
    change_capability = Capability.MANAGE_ACCOUNTS
    create_verb = create_staff
    update_verb = edit_staff
    list_display = ("name", "department", "external_id", "is_active", "login")
    list_filter = ("is_active", "department")
    list_select_related = ("department", "user")
    search_fields = ("name", "external_id")
    autocomplete_fields = ("department",)
    fields = ("name", "department", "external_id", "is_active")
    readonly_fields = ("is_active",)
    ordering = ("name", "pk")
    actions = ("deactivate_selected", "reactivate_selected")
    actions_detail: tuple[str, ...] = ("deactivate", "reactivate")

    def idle_buttons(self, row: Staff) -> set[str]:
        return {"reactivate"} if row.is_active else {"deactivate"}

    @display(description=_("登录账号"), empty_value="—")
    def login(self, staff: Staff) -> str | None:
        return staff.user.username if hasattr(staff, "user") else None

    @admin.action(description=_("所选员工离职"), permissions=["change"])
    def deactivate_selected(self, request: HttpRequest, queryset: models.QuerySet[Staff]) -> None:
        self.run_on_rows(request, queryset, deactivate_staff, done=gettext("已办理离职"))

    @admin.action(description=_("所选员工复职"), permissions=["change"])
    def reactivate_selected(self, request: HttpRequest, queryset: models.QuerySet[Staff]) -> None:
        self.run_on_rows(request, queryset, reactivate_staff, done=gettext("已复职"))

    @action(
        description=_("离职"),
        icon="person_off",
        variant=ActionVariant.DANGER,
        permissions=["change"],
        dialog=confirm(_("办理离职？"), _("登录账号会立即停用，密钥会被吊销。")),
    )
    def deactivate(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, deactivate_staff, done=gettext("已办理离职。"))

    @action(
        description=_("复职"),
        icon="person_check",
        permissions=["change"],
        dialog=confirm(_("恢复在职？"), _("登录账号需要另行启用。")),
    )
    def reactivate(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, reactivate_staff, done=gettext("已复职。"))
