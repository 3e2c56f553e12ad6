from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.contrib.filters.admin.datetime_filters import RangeDateFilter
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget

from members.admin.stay import PRESENCE_COLOURS, PresenceFilter, StayInline, presence
from members.models import Membership
from members.rules.status import LeaveReason
from members.services.leaving import leave_community
from scrm.accounts.admin_scope import HistoryModelAdmin, confirm
from scrm.accounts.rules.roles import Capability

GATE_COLOURS = {"ungated": "danger", "gated": "default"}


class GateFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("准入")
    parameter_name = "ungated"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("未经准入")), ("no", _("正常准入"))]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Membership]
    ) -> models.QuerySet[Membership]:
        if self.value() is None:
            return queryset
        return queryset.filter(is_ungated=self.value() == "yes")


class Stays(StayInline[Membership]):
    pass


class LeaveDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    reason = forms.ChoiceField(
        label=_("原因"),
        choices=LeaveReason.choices,
        initial=LeaveReason.REMOVED,
        widget=UnfoldAdminSelectWidget,
    )


@admin.register(Membership)
class MembershipAdmin(HistoryModelAdmin[Membership]):
    view_capability = Capability.VIEW_MEMBERS
    action_capabilities = {"leave": Capability.MANAGE_MEMBERS}
    list_display = (
        "who",
        "community",
        "presence_label",
        "gate",
        "source",
        "joined_at",
        "left_at",
    )
    list_filter = (
        PresenceFilter,
        GateFilter,
        "community",
        ("source", MultipleChoicesDropdownFilter),
        ("joined_at", RangeDateFilter),
    )
    list_select_related = ("member", "community")
    search_fields = ("member__nickname", "member__external_id", "community__name")
    fields = (
        ("member", "community"),
        ("source", "is_ungated", "qualified_at"),
        ("joined_at", "left_at", "leave_reason"),
    )
    readonly_fields = (
        "member",
        "community",
        "source",
        "is_ungated",
        "qualified_at",
        "joined_at",
        "left_at",
        "leave_reason",
    )
    ordering = ("-pk",)
    inlines = (Stays,)
    actions_detail = ("leave",)

    @display(description=_("成员"), ordering="member__nickname", header=True)
    def who(self, membership: Membership) -> list[str]:
        member = membership.member
        return [member.nickname, member.external_id, member.nickname[:1]]

    @display(description=_("状态"), ordering="left_at", label=PRESENCE_COLOURS)
    def presence_label(self, membership: Membership) -> tuple[str, str]:
        return presence(membership)

    @display(description=_("准入"), ordering="is_ungated", label=GATE_COLOURS)
    def gate(self, membership: Membership) -> tuple[str, str]:
        if membership.is_ungated:
            return "ungated", gettext("未经准入")
        return "gated", gettext("正常")

    @action(
        description=_("办理离开"),
        icon="logout",
        variant=ActionVariant.DANGER,
        permissions=["leave"],
        dialog={
            **confirm(_("让这位成员离开社群？"), _("在各客户群的时段一并结束，位置空出。")),
            "form_class": LeaveDialog,
        },
    )
    def leave(self, request: HttpRequest, form: LeaveDialog, object_id: str) -> Any:
        reason = form.cleaned_data["reason"]
        return self.run_on_row(
            request, object_id, leave_community, done=gettext("已离开社群。"), reason=reason
        )
