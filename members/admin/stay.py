from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.contrib.filters.admin.datetime_filters import RangeDateFilter
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import display

from members.models import Membership, Stay
from members.rules.status import Confidence
from scrm.accounts.admin_scope import EnterpriseTabularInline, HistoryModelAdmin
from scrm.accounts.rules.roles import Capability

PRESENCE_COLOURS = {"in": "success", "left": "default"}
CERTAINTY_COLOURS = {"inferred": "warning", "exact": "default"}


def presence(row: Membership | Stay) -> tuple[str, str]:
    if row.left_at is None:
        return "in", gettext("在")
    return "left", gettext("已离开：%(reason)s") % {"reason": row.get_leave_reason_display()}


def certainty(stay: Stay) -> tuple[str, str]:
    """Whether the platform told both ends, or one of them is the latest it can have been."""
    join = stay.join_confidence == Confidence.INFERRED
    leave = stay.leave_confidence == Confidence.INFERRED
    if join and leave:
        return "inferred", gettext("入群、退群时间为推断")
    if join:
        return "inferred", gettext("入群时间为推断")
    if leave:
        return "inferred", gettext("退群时间为推断")
    return "exact", gettext("准确")


class PresenceFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("在不在")
    parameter_name = "present"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("在")), ("no", _("已离开"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        if self.value() is None:
            return queryset
        return queryset.filter(left_at__isnull=self.value() == "yes")


class StayInline[Parent: models.Model](EnterpriseTabularInline[Stay, Parent]):
    """The columns of stays on the page of something else."""

    model = Stay
    view_capability = Capability.VIEW_MEMBERS
    fields = (
        "chat", "joined_at", "join_scene", "left_at", "leave_reason", "certainty_label",
        "observed_by",
    )  # fmt: skip
    readonly_fields = fields
    ordering = ("-pk",)
    show_title = False

    @display(description=_("时间可信度"), label=CERTAINTY_COLOURS)
    def certainty_label(self, stay: Stay) -> tuple[str, str]:
        return certainty(stay)


@admin.register(Stay)
class StayAdmin(HistoryModelAdmin[Stay]):
    view_capability = Capability.VIEW_MEMBERS
    list_display = (
        "who",
        "chat",
        "presence_label",
        "joined_at",
        "left_at",
        "certainty_label",
        "join_scene",
        "inviter",
        "observed_by",
    )
    list_filter = (
        PresenceFilter,
        "chat",
        ("join_scene", MultipleChoicesDropdownFilter),
        ("joined_at", RangeDateFilter),
    )
    list_select_related = ("member", "chat", "inviter")
    search_fields = ("member__nickname", "member__external_id", "chat__name")
    fields = (
        ("member", "chat", "membership"),
        ("joined_at", "join_confidence"),
        ("join_scene", "inviter", "join_way", "join_state"),
        ("left_at", "leave_confidence", "leave_reason"),
        ("observed_by", "seen_at"),
    )
    readonly_fields = (
        "member",
        "chat",
        "membership",
        "joined_at",
        "join_confidence",
        "join_scene",
        "inviter",
        "join_way",
        "join_state",
        "left_at",
        "leave_confidence",
        "leave_reason",
        "observed_by",
        "seen_at",
    )
    ordering = ("-pk",)

    @display(description=_("成员"), ordering="member__nickname", header=True)
    def who(self, stay: Stay) -> list[str]:
        return [stay.member.nickname, stay.member.external_id, stay.member.nickname[:1]]

    @display(description=_("状态"), ordering="left_at", label=PRESENCE_COLOURS)
    def presence_label(self, stay: Stay) -> tuple[str, str]:
        return presence(stay)

    @display(description=_("时间可信度"), label=CERTAINTY_COLOURS)
    def certainty_label(self, stay: Stay) -> tuple[str, str]:
        return certainty(stay)
