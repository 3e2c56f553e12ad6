from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from members.admin.evidence import EvidenceOfApplication
from members.admin.words import clause_table, waiting_time
from members.models import EntryApplication
from members.rules.status import ApplicationStatus, may_become
from members.services.joining import withdraw_application
from members.services.reviewing import approve_application, reject_application
from scrm.accounts.admin_scope import HistoryModelAdmin, confirm
from scrm.accounts.rules.roles import Capability

STATUS_COLOURS = {
    ApplicationStatus.IN_REVIEW: "warning",
    ApplicationStatus.APPROVED: "info",
    ApplicationStatus.JOINED: "success",
    ApplicationStatus.REJECTED: "danger",
}


class StateFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("状态")
    parameter_name = "status__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(ApplicationStatus.choices)

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[EntryApplication]
    ) -> models.QuerySet[EntryApplication]:
        return queryset.filter(status=self.value()) if self.value() else queryset


class RejectDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    reason = forms.CharField(
        label=_("理由"),
        max_length=300,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("申请人会看到，例如“照片里看不出品种，请换一张”。"),
    )


@admin.register(EntryApplication)
class EntryApplicationAdmin(HistoryModelAdmin[EntryApplication]):
    """The history of applications, newest first; with ``?status__exact=in_review`` the queue of
    those that wait for a decision, oldest first."""

    view_capability = Capability.VIEW_MEMBERS
    action_capabilities = {
        "review": Capability.REVIEW_APPLICATIONS,
        "withdraw": Capability.MANAGE_MEMBERS,
    }
    list_display = (
        "who",
        "community",
        "status_label",
        "waiting",
        "results",
        "note",
        "source",
        "decided_by",
    )
    list_filter = (StateFilter, "community", ("source", MultipleChoicesDropdownFilter))
    list_select_related = ("member", "community", "decided_by")
    list_fullwidth = True
    search_fields = ("member__nickname", "member__external_id", "community__name")
    fields = (
        ("member", "community"),
        ("status", "source"),
        "results",
        "reason",
        ("submitted_at", "policy"),
        ("decided_by", "decided_at"),
        "membership",
    )
    readonly_fields = (
        "member",
        "community",
        "status",
        "source",
        "results",
        "reason",
        "submitted_at",
        "policy",
        "decided_by",
        "decided_at",
        "membership",
    )
    inlines = (EvidenceOfApplication,)
    actions = ("approve_selected",)
    actions_row = ("approve", "reject")
    actions_detail = ("approve", "reject", "withdraw")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        is_queue = request.GET.get(StateFilter.parameter_name) == ApplicationStatus.IN_REVIEW
        return ("submitted_at", "pk") if is_queue else ("-pk",)

    def get_actions_detail(self, request: HttpRequest, object_id: int | str) -> Any:
        """Only the decisions that are possible now."""
        row = self.get_object(request, str(object_id))
        targets = {
            "approve": ApplicationStatus.APPROVED,
            "reject": ApplicationStatus.REJECTED,
            "withdraw": ApplicationStatus.WITHDRAWN,
        }
        possible = {
            f"{self.opts.app_label}_{self.opts.model_name}_{name}"
            for name, target in targets.items()
            if row is not None and may_become(row.status, target)
        }
        buttons: list[Any] = super().get_actions_detail(request, object_id)
        return [button for button in buttons if button.action_name in possible]

    @display(description=_("申请人"), ordering="member__nickname", header=True)
    def who(self, application: EntryApplication) -> list[str]:
        member = application.member
        return [member.nickname, member.external_id, member.nickname[:1]]

    @display(description=_("状态"), ordering="status", label=STATUS_COLOURS)
    def status_label(self, application: EntryApplication) -> tuple[str, str]:
        return application.status, application.get_status_display()

    @display(
        description=_("已等待"),
        ordering="submitted_at",
        label={"danger": "danger", "warning": "warning", "success": "success"},
    )
    def waiting(self, application: EntryApplication) -> tuple[str, str] | str:
        if application.status not in {ApplicationStatus.IN_REVIEW, ApplicationStatus.APPROVED}:
            return "—"
        waited = timezone.now() - application.submitted_at
        return waiting_time(waited.total_seconds() / 3600)

    @display(description=_("逐条结果"))
    def results(self, application: EntryApplication) -> SafeString | str:
        return clause_table(application.clauses)

    @display(description=_("理由"))
    def note(self, application: EntryApplication) -> str:
        """What a person wrote, or what is waited for; what a rule found stands beside it."""
        by_rule = application.decided_by_id is None
        if by_rule and application.status == ApplicationStatus.REJECTED:
            return "—"
        return application.reason or "—"

    @admin.action(description=_("通过所选申请"), permissions=["review"])
    def approve_selected(
        self, request: HttpRequest, queryset: models.QuerySet[EntryApplication]
    ) -> None:
        rows = queryset.select_related("member", "community").order_by("submitted_at", "pk")
        self.run_on_rows(request, rows, approve_application, done=gettext("已通过"))

    @action(
        description=_("通过"),
        icon="check_circle",
        variant=ActionVariant.PRIMARY,
        permissions=["review"],
        dialog=confirm(_("通过这个申请？"), _("有空位立即入群，没有则排队等待。")),
    )
    def approve(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, approve_application, done=gettext("已通过。"))

    @action(
        description=_("拒绝"),
        icon="cancel",
        variant=ActionVariant.DANGER,
        permissions=["review"],
        dialog={**confirm(_("拒绝这个申请？")), "form_class": RejectDialog},
    )
    def reject(self, request: HttpRequest, form: RejectDialog, object_id: str) -> Any:
        reason = form.cleaned_data["reason"]
        return self.run_on_row(
            request, object_id, reject_application, done=gettext("已拒绝。"), reason=reason
        )

    @action(
        description=_("撤回"),
        icon="undo",
        permissions=["withdraw"],
        dialog=confirm(_("替申请人撤回？"), _("之后可以重新申请。")),
    )
    def withdraw(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, withdraw_application, done=gettext("已撤回。"))

    def back_to(self, request: HttpRequest, row: models.Model | None = None) -> HttpResponse:
        """Who decides in the queue stays in it: the next one is already there."""
        queue = reverse("admin:members_entryapplication_changelist")
        came_from = urlsplit(request.headers.get("HX-Current-URL", ""))
        if came_from.path != queue:
            return super().back_to(request, row)
        return HttpResponse(headers={"HX-Redirect": f"{queue}?{came_from.query}"})
