from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelect2Widget, UnfoldAdminTextareaWidget

from scrm.accounts.admin_scope import HistoryModelAdmin, admin_user, confirm
from scrm.accounts.models import OperatorTask, Staff
from scrm.accounts.readable import NOTHING, pairs
from scrm.accounts.rules.operator_tasks import FACTS, TaskKind, TaskStatus
from scrm.accounts.rules.roles import Capability
from scrm.accounts.services.operator_tasks import assign_task, complete_task, dismiss_task

STATUS_COLOURS = {TaskStatus.OPEN: "warning", TaskStatus.DONE: "success"}
KIND_COLOURS = {
    TaskKind.UNGATED_JOIN: "danger",
    TaskKind.REVIEW_OVERDUE: "danger",
    TaskKind.REQUALIFICATION: "warning",
    TaskKind.CAPACITY: "warning",
    TaskKind.MERGE: "info",
    TaskKind.CONNECTION_FAILING: "danger",
    TaskKind.STILL_IN_CHAT: "warning",
    TaskKind.OWNERSHIP_VIOLATION: "danger",
    TaskKind.TRANSFER_APPROVAL: "warning",
    TaskKind.TRANSFER_TROUBLE: "danger",
    TaskKind.RESIGNATION_DUE: "danger",
    TaskKind.BROADCAST_HALTED: "danger",
    TaskKind.SOP_CHECKLIST: "info",
}


class StateFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    """What is to be done comes first; what is done is one click away."""

    title = _("状态")
    parameter_name = "state"
    all_option = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*TaskStatus.choices, ("all", _("全部"))]

    def value(self) -> str:
        return super().value() or TaskStatus.OPEN.value

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[OperatorTask]
    ) -> models.QuerySet[OperatorTask]:
        return queryset if self.value() == "all" else queryset.filter(status=self.value())


class AssigneeFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("负责")
    parameter_name = "mine"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("只看我的")), ("nobody", _("无人负责"))]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[OperatorTask]
    ) -> models.QuerySet[OperatorTask]:
        if self.value() == "yes":
            staff_id = admin_user(request).staff_id
            return queryset.filter(assignee__isnull=False, assignee=staff_id)
        return queryset.filter(assignee=None) if self.value() == "nobody" else queryset


class OverdueFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("期限")
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("已超时"))]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[OperatorTask]
    ) -> models.QuerySet[OperatorTask]:
        if self.value() is None:
            return queryset
        return queryset & OperatorTask.objects.overdue(timezone.now())


class CompleteDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    note = forms.CharField(
        label=_("说明"),
        max_length=300,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("怎么处理的，可以不填。"),
    )


class DismissDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    reason = forms.CharField(
        label=_("原因"),
        max_length=300,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("为什么不处理，例如“节后再看”。"),
    )


class AssignDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    assignee = forms.ModelChoiceField(
        label=_("负责人"),
        queryset=Staff.objects.none(),
        required=False,
        empty_label=_("不指定"),
        widget=UnfoldAdminSelect2Widget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        colleagues = Staff.objects.visible_to(admin_user(self.request)).filter(is_active=True)
        self.fields["assignee"].queryset = colleagues.order_by("name", "pk")


@admin.register(OperatorTask)
class OperatorTaskAdmin(HistoryModelAdmin[OperatorTask]):
    """Who may manage communities may work on tasks; who may see communities sees them."""

    view_capability = Capability.VIEW_COMMUNITIES
    action_capabilities = {"work": Capability.MANAGE_COMMUNITIES}
    list_display = ("what", "kind_label", "subject", "due", "assignee", "asked")
    list_filter = (
        StateFilter,
        AssigneeFilter,
        OverdueFilter,
        ("kind", MultipleChoicesDropdownFilter),
        "assignee",
    )
    list_select_related = ("assignee",)
    list_fullwidth = True
    search_fields = ("title", "note")
    fields = (
        "title",
        ("kind", "subject"),
        ("status", "assignee"),
        ("due", "created_at"),
        "facts",
        ("closed_at", "closed_by"),
        "note",
    )
    readonly_fields = (
        "title",
        "kind",
        "subject",
        "status",
        "assignee",
        "due",
        "created_at",
        "facts",
        "closed_at",
        "closed_by",
        "note",
    )
    ordering = ("-status", models.F("due_at").asc(nulls_last=True), "-pk")  # open ones first
    actions_row = ("complete", "dismiss", "assign")
    actions_detail = ("complete", "dismiss", "assign")

    def idle_buttons(self, row: OperatorTask) -> set[str]:
        return set() if row.status == TaskStatus.OPEN else {"complete", "dismiss", "assign"}

    @display(description=_("要做什么"), ordering="title")
    def what(self, task: OperatorTask) -> str:
        return task.title

    @display(description=_("类型"), ordering="kind", label=KIND_COLOURS)
    def kind_label(self, task: OperatorTask) -> tuple[str, str]:
        return task.kind, task.get_kind_display()

    @display(description=_("对象"))
    def subject(self, task: OperatorTask) -> SafeString | str:
        return link_to_subject(task)

    @display(description=_("截止时间"), ordering="due_at")
    def due(self, task: OperatorTask) -> SafeString | str:
        if task.due_at is None:
            return NOTHING
        instant = in_short(task.due_at)
        is_late = task.status == TaskStatus.OPEN and task.due_at < timezone.now()
        if not is_late:
            return instant
        late = (
            '<span class="text-red-600 dark:text-red-500 font-medium whitespace-nowrap">'
            "{} {}</span>"
        )
        return format_html(late, instant, gettext("已超时"))

    @display(description=_("建立时间"), ordering="created_at")
    def asked(self, task: OperatorTask) -> SafeString:
        return in_short(task.created_at)

    @display(description=_("依据"))
    def facts(self, task: OperatorTask) -> SafeString | str:
        return pairs(
            {str(FACTS[name]): task.details[name] for name in FACTS if name in task.details}
        )

    @action(
        description=_("完成"),
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        permissions=["work"],
        dialog={**confirm(_("这件事做完了？")), "form_class": CompleteDialog},
    )
    def complete(self, request: HttpRequest, form: CompleteDialog, object_id: str) -> Any:
        note = form.cleaned_data["note"]
        return self.run_on_row(
            request, object_id, complete_task, done=gettext("已完成。"), note=note
        )

    @action(
        description=_("不处理"),
        icon="do_not_disturb_on",
        permissions=["work"],
        dialog={**confirm(_("不处理这件事？")), "form_class": DismissDialog},
    )
    def dismiss(self, request: HttpRequest, form: DismissDialog, object_id: str) -> Any:
        reason = form.cleaned_data["reason"]
        return self.run_on_row(
            request, object_id, dismiss_task, done=gettext("已记为不处理。"), reason=reason
        )

    @action(
        description=_("分派"),
        icon="person_add",
        permissions=["work"],
        dialog={**confirm(_("交给谁？")), "form_class": AssignDialog},
    )
    def assign(self, request: HttpRequest, form: AssignDialog, object_id: str) -> Any:
        assignee = form.cleaned_data["assignee"]
        return self.run_on_row(
            request, object_id, assign_task, done=gettext("已分派。"), assignee=assignee
        )

    def back_to(self, request: HttpRequest, row: models.Model | None = None) -> HttpResponse:
        """Who acts from the list stays in it, and so does whoever gave the task away."""
        worklist = reverse("admin:accounts_operatortask_changelist")
        came_from = request.headers.get("HX-Current-URL", "").partition("?")[0]
        is_mine = row is not None and self.get_queryset(request).filter(pk=row.pk).exists()
        return super().back_to(
            request, row if is_mine and not came_from.endswith(worklist) else None
        )


def in_short(instant: datetime) -> SafeString:
    text = date_format(localtime(instant), "m-d H:i")
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


def link_to_subject(task: OperatorTask) -> SafeString | str:
    """The page of the row that the task is about; just its name where there is no page."""
    try:
        name = str(apps.get_model(task.object_type)._meta.verbose_name)
    except (LookupError, ValueError):
        return f"{task.object_type} #{task.object_id}"
    try:
        url = reverse(f"admin:{task.object_type.replace('.', '_')}_change", args=[task.object_id])
    except NoReverseMatch:
        return f"{name} #{task.object_id}"
    link = '<a class="text-primary-600 whitespace-nowrap" href="{}">{} #{}</a>'
    return format_html(link, url, name, task.object_id)
