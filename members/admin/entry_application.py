from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
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
from members.admin.words import NOTHING, clause_table, time_left
from members.criteria import names_of
from members.models import EntryApplication
from members.rules.reviewing import UNDO_SECONDS
from members.rules.status import ApplicationStatus
from members.selectors.reviewing import possible_actions
from members.services.joining import withdraw_application
from members.services.reviewing import (
    approve_application,
    claim_application,
    claim_next_application,
    reject_application,
    release_application,
    undo_decision,
)
from scrm.accounts.admin_scope import HistoryModelAdmin, admin_user, confirm
from scrm.accounts.rules.roles import Capability
from scrm.shared.criterion_references import Names
from scrm.shared.errors import DomainError

URGENCIES = {"danger": "danger", "warning": "warning", "success": "success"}
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


class LatenessFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("审核时限")
    parameter_name = "overdue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("已超时"))]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[EntryApplication]
    ) -> models.QuerySet[EntryApplication]:
        if self.value() is None:
            return queryset
        return queryset.filter(pk__in=EntryApplication.objects.overdue().values("pk"))


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
    those that wait for a decision, in the order in which they are due."""

    view_capability = Capability.VIEW_MEMBERS
    action_capabilities = {
        "review": Capability.REVIEW_APPLICATIONS,
        "withdraw": Capability.MANAGE_MEMBERS,
    }
    list_display = (
        "who",
        "community",
        "status_label",
        "deadline",
        "reviewer",
        "results",
        "note",
        "source",
        "decided_by",
    )
    list_filter = (
        StateFilter,
        LatenessFilter,
        "community",
        ("source", MultipleChoicesDropdownFilter),
    )
    list_select_related = ("member", "community", "decided_by", "claimed_by")
    list_fullwidth = True
    search_fields = ("member__nickname", "member__external_id", "community__name")
    fields = (
        ("member", "community"),
        ("status", "review_due_at", "reviewer"),
        "results",
        "reason",
        ("submitted_at", "source", "join_way"),
        ("policy", "decided_by", "decided_at"),
        ("membership", "expires_at"),
    )
    readonly_fields = (
        "member",
        "community",
        "status",
        "review_due_at",
        "reviewer",
        "results",
        "reason",
        "submitted_at",
        "source",
        "join_way",
        "policy",
        "decided_by",
        "decided_at",
        "membership",
        "expires_at",
    )
    inlines = (EvidenceOfApplication,)
    actions = ("approve_selected",)
    actions_list = ("claim_next",)
    actions_row = ("approve", "reject")
    actions_detail = ("approve", "reject", "undo", "claim", "release", "withdraw")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        is_queue = request.GET.get(StateFilter.parameter_name) == ApplicationStatus.IN_REVIEW
        return ("review_due_at", "submitted_at", "pk") if is_queue else ("-pk",)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """What the clauses name is looked up once for the page."""
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        names = name_rows(rows, enterprise_id=admin_user(request).enterprise_id)
        for row in rows:
            row.names = names
        changelist.result_list = rows
        return changelist

    def get_actions_detail(self, request: HttpRequest, object_id: int | str) -> Any:
        """Only what this user may do now."""
        row = self.get_object(request, str(object_id))
        user, now = admin_user(request), timezone.now()
        actions = () if row is None else possible_actions(row, user, now=now)
        possible = {f"{self.opts.app_label}_{self.opts.model_name}_{name}" for name in actions}
        buttons: list[Any] = super().get_actions_detail(request, object_id)
        return [button for button in buttons if button.action_name in possible]

    @display(description=_("申请人"), ordering="member__nickname", header=True)
    def who(self, application: EntryApplication) -> list[str]:
        member = application.member
        return [member.nickname, member.external_id, member.nickname[:1]]

    @display(description=_("状态"), ordering="status", label=STATUS_COLOURS)
    def status_label(self, application: EntryApplication) -> tuple[str, str]:
        return application.status, application.get_status_display()

    @display(description=_("审核时限"), ordering="review_due_at", label=URGENCIES)
    def deadline(self, application: EntryApplication) -> tuple[str, str] | str:
        due = application.review_due_at
        if due is None or application.status != ApplicationStatus.IN_REVIEW:
            return NOTHING
        return time_left(due, now=timezone.now())

    @display(description=_("正在审核"))
    def reviewer(self, application: EntryApplication) -> str:
        holder, until = application.claimed_by, application.claimed_until
        if holder is None or until is None or until <= timezone.now():
            return NOTHING
        return str(holder)

    @display(description=_("逐条结果"))
    def results(self, application: Any) -> SafeString | str:
        names = getattr(application, "names", None)
        if names is None:
            names = name_rows([application], enterprise_id=application.enterprise_id)
        return clause_table(application.clauses, names=names)

    @display(description=_("理由"))
    def note(self, application: EntryApplication) -> str:
        """What a person wrote, or what is waited for; what a rule found stands beside it."""
        by_rule = application.decided_by_id is None
        if by_rule and application.status == ApplicationStatus.REJECTED:
            return NOTHING
        return application.reason or NOTHING

    @admin.action(description=_("通过所选申请"), permissions=["review"])
    def approve_selected(
        self, request: HttpRequest, queryset: models.QuerySet[EntryApplication]
    ) -> None:
        rows = queryset.select_related("member", "community").order_by("submitted_at", "pk")
        self.run_on_rows(request, rows, approve_application, done=gettext("已通过"))

    @action(
        description=_("领取下一份"),
        icon="assignment_returned",
        variant=ActionVariant.PRIMARY,
        permissions=["review"],
        dialog=confirm(
            _("领取下一份？"), _("给你最先到期、没有同事在审的一份，15 分钟内由你决定。")
        ),
    )
    def claim_next(self, request: HttpRequest, form: object) -> HttpResponse:
        try:
            application = claim_next_application(actor=admin_user(request))
        except DomainError as refusal:
            self.message_user(request, refusal.message, messages.WARNING)
            return self.back_to(request)
        self.message_user(request, gettext("已领取，15 分钟内请决定。"), messages.SUCCESS)
        return super().back_to(request, application)

    @action(
        description=_("领取"),
        icon="assignment_returned",
        permissions=["review"],
        dialog=confirm(_("领取这份申请？"), _("15 分钟内由你决定，同事不能同时处理。")),
    )
    def claim(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, claim_application, done=gettext("已领取。"))

    @action(
        description=_("放回队列"),
        icon="assignment_return",
        permissions=["review"],
        dialog=confirm(_("放回队列？"), _("同事可以领取它。")),
    )
    def release(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, release_application, done=gettext("已放回。"))

    @action(
        description=_("通过"),
        icon="check_circle",
        variant=ActionVariant.PRIMARY,
        permissions=["review"],
        dialog=confirm(
            _("通过这个申请？"), _("10 秒后生效，此前可以撤销；有空位就入群，没有则排队等待。")
        ),
    )
    def approve(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.decide(request, object_id, approve_application, done=gettext("已通过。"))

    @action(
        description=_("拒绝"),
        icon="cancel",
        variant=ActionVariant.DANGER,
        permissions=["review"],
        dialog={
            **confirm(_("拒绝这个申请？"), _("10 秒后生效，此前可以撤销。")),
            "form_class": RejectDialog,
        },
    )
    def reject(self, request: HttpRequest, form: RejectDialog, object_id: str) -> Any:
        reason = form.cleaned_data["reason"]
        return self.decide(
            request, object_id, reject_application, done=gettext("已拒绝。"), reason=reason
        )

    @action(
        description=_("撤销决定"),
        icon="undo",
        variant=ActionVariant.WARNING,
        permissions=["review"],
        dialog=confirm(_("撤销刚才的决定？"), _("申请回到待审核，由你继续处理。")),
    )
    def undo(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, undo_decision, done=gettext("已撤销。"))

    @action(
        description=_("撤回"),
        icon="undo",
        permissions=["withdraw"],
        dialog=confirm(_("替申请人撤回？"), _("之后可以重新申请。")),
    )
    def withdraw(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, withdraw_application, done=gettext("已撤回。"))

    def decide(
        self,
        request: HttpRequest,
        object_id: str,
        verb: Callable[..., object],
        *,
        done: str,
        **arguments: object,
    ) -> HttpResponse:
        """Like ``run_on_row``; the message has a button to take the decision back."""
        row = self.row(request, object_id)
        try:
            verb(row.pk, actor=admin_user(request), **arguments)
        except DomainError as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
        else:
            self.message_user(request, undo_offer(request, row, done), messages.SUCCESS)
        return self.back_to(request, row)

    def back_to(self, request: HttpRequest, row: models.Model | None = None) -> HttpResponse:
        """Who decides in the queue stays in it: the next one is already there."""
        queue = reverse("admin:members_entryapplication_changelist")
        came_from = urlsplit(request.headers.get("HX-Current-URL", ""))
        if came_from.path != queue:
            return super().back_to(request, row)
        return HttpResponse(headers={"HX-Redirect": f"{queue}?{came_from.query}"})


UNDO_OFFER = (
    '{} <form method="post" action="{}" class="inline">'
    '<input type="hidden" name="csrfmiddlewaretoken" value="{}">'
    '<input type="hidden" name="_form_submitted" value="on">'
    '<button type="submit" class="font-semibold underline cursor-pointer">{}</button></form>'
)


def undo_offer(request: HttpRequest, row: EntryApplication, done: str) -> SafeString:
    url = reverse("admin:members_entryapplication_undo", args=[row.pk])
    words = gettext("撤销（%(seconds)d 秒内）") % {"seconds": UNDO_SECONDS}
    return format_html(UNDO_OFFER, f"{row.member.nickname}：{done}", url, get_token(request), words)


def name_rows(rows: Iterable[EntryApplication], *, enterprise_id: int) -> Names:
    clauses = chain.from_iterable(row.clauses for row in rows)
    return names_of(clauses, enterprise_id=enterprise_id)
