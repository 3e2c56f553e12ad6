"""Whose chats have been, and the changes of owner that were against the rules."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import flatten
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from communities.models import GroupChat, OwnershipPeriod, OwnershipViolation
from communities.rules.transfers import OwnershipConfidence, ViolationStatus
from communities.services.ownership.violations import accept_violation, words_of
from scrm.accounts.admin_scope import EnterpriseTabularInline, HistoryModelAdmin, confirm
from scrm.accounts.rules.roles import Capability

NOBODY = "—"
STATUS_COLOURS = {
    ViolationStatus.OPEN: "danger",
    ViolationStatus.ACCEPTED: "info",
    ViolationStatus.REVERSED: "success",
}


def in_words(name: str | None, userid: str | None) -> str:
    """An owner: by name, or by the account on the platform where we do not know who that is."""
    if name:
        return name
    return gettext("未登记的账号 %(userid)s") % {"userid": userid} if userid else NOBODY


def period_instant(period: OwnershipPeriod) -> str:
    return date_format(localtime(period.began_at), "DATETIME_FORMAT")


class OwnershipHistory(EnterpriseTabularInline[OwnershipPeriod, GroupChat]):
    """Whose the chat has been, the present owner first."""

    model = OwnershipPeriod
    view_capability = Capability.VIEW_COMMUNITIES
    verbose_name_plural = _("群主的历史")
    fields = ("owner", "began", "ended_at", "cause_label", "hand_over")
    readonly_fields = fields
    ordering = ("-began_at", "-pk")
    per_page = 20
    show_title = False
    tab = True

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[OwnershipPeriod]:
        periods: models.QuerySet[OwnershipPeriod] = super().get_queryset(request)
        return periods.select_related("staff", "transfer_item")

    @display(description=_("群主"))
    def owner(self, period: OwnershipPeriod) -> str:
        return in_words(period.staff.name if period.staff else None, period.userid)

    @display(description=_("开始时间"))
    def began(self, period: OwnershipPeriod) -> str:
        at = period_instant(period)
        if period.began_confidence == OwnershipConfidence.EXACT:
            return at
        return gettext("%(at)s（推断）") % {"at": at}

    @display(description=_("缘由"))
    def cause_label(self, period: OwnershipPeriod) -> str:
        return period.get_cause_display()

    @display(description=_("转让"))
    def hand_over(self, period: OwnershipPeriod) -> str:
        item = period.transfer_item
        if item is None:
            return NOBODY
        url = reverse("admin:communities_ownershiptransfer_change", args=[item.transfer_id])
        return format_html('<a href="{}">#{}</a>', url, item.transfer_id)


class StateFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    """What is to be done comes first; what is done is one click away."""

    title = _("状态")
    parameter_name = "state"
    all_option = None

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [*ViolationStatus.choices, ("all", _("全部"))]

    def value(self) -> str:
        return super().value() or ViolationStatus.OPEN.value

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[OwnershipViolation]
    ) -> models.QuerySet[OwnershipViolation]:
        return queryset if self.value() == "all" else queryset.filter(status=self.value())


class AcceptDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    note = forms.CharField(
        label=_("说明"),
        max_length=300,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("为什么认可，例如“门店已与区域经理商定”。"),
    )


@admin.register(OwnershipViolation)
class OwnershipViolationAdmin(HistoryModelAdmin[OwnershipViolation]):
    """They end by being accepted, or by themselves once the owner is right again."""

    view_capability = Capability.VIEW_COMMUNITIES
    action_capabilities = {"accept": Capability.APPROVE_TRANSFERS}
    list_display = (
        "group",
        "rules_label",
        "former_owner",
        "new_owner",
        "changed_at",
        "status_label",
    )
    list_filter = (StateFilter, "chat__community")
    list_select_related = ("chat__community", "period__staff")
    search_fields = ("chat__name", "chat__external_id", "period__staff__name")
    fields = (
        ("group", "status"),
        "rules_label",
        ("former_owner", "new_owner"),
        ("changed_at", "created_at"),
        ("closed_at", "closed_by"),
        "note",
    )
    readonly_fields = tuple(flatten(fields))
    ordering = ("-pk",)
    actions_detail = ("accept",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[OwnershipViolation]:
        rows: Any = super().get_queryset(request)
        annotated: models.QuerySet[OwnershipViolation] = rows.with_former_owner()
        return annotated

    def idle_buttons(self, row: OwnershipViolation) -> set[str]:
        return set() if row.status == ViolationStatus.OPEN else {"accept"}

    @display(description=_("客户群"), ordering="chat__name")
    def group(self, violation: OwnershipViolation) -> str:
        url = reverse("admin:communities_groupchat_change", args=[violation.chat_id])
        return format_html('<a href="{}">{}</a>', url, violation.chat)

    @display(description=_("违反的规则"))
    def rules_label(self, violation: OwnershipViolation) -> str:
        return words_of(violation.rules)

    @display(description=_("原群主"))
    def former_owner(self, violation: Any) -> str:
        return in_words(violation.former_name, violation.former_userid)

    @display(description=_("新群主"))
    def new_owner(self, violation: OwnershipViolation) -> str:
        period = violation.period
        return in_words(period.staff.name if period.staff else None, period.userid)

    @display(description=_("更换时间"), ordering="period__began_at")
    def changed_at(self, violation: OwnershipViolation) -> str:
        return period_instant(violation.period)

    @display(description=_("状态"), ordering="status", label=STATUS_COLOURS)
    def status_label(self, violation: OwnershipViolation) -> tuple[str, str]:
        return violation.status, violation.get_status_display()

    @action(
        description=_("认可"),
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
        permissions=["accept"],
        dialog={
            **confirm(_("认可这次更换"), _("群主保持现在这一位，提醒结束。")),
            "form_class": AcceptDialog,
        },
    )
    def accept(self, request: HttpRequest, form: AcceptDialog, object_id: str) -> HttpResponse:
        return self.run_on_row(
            request,
            object_id,
            accept_violation,
            done=gettext("已认可。"),
            note=form.cleaned_data["note"],
        )
