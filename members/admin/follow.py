from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.contrib.filters.admin.datetime_filters import RangeDateFilter
from unfold.decorators import display

from members.models import Follow, Member
from scrm.accounts.admin_scope import EnterpriseTabularInline, HistoryModelAdmin
from scrm.accounts.rules.roles import Capability

COLOURS = {"mutual": "success", "half": "warning", "ended": "default"}


def follow_state(row: Follow) -> tuple[str, str]:
    if row.ended_at is not None:
        return "ended", gettext("已结束：%(reason)s") % {"reason": row.get_end_reason_display()}
    return ("mutual", gettext("互为好友")) if row.is_mutual else ("half", gettext("仅客户添加"))


class OpenFollowFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("还在跟进")
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("在")), ("no", _("已结束"))]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Follow]
    ) -> models.QuerySet[Follow]:
        if self.value() is None:
            return queryset
        return queryset.filter(ended_at__isnull=self.value() == "yes")


class Follows(EnterpriseTabularInline[Follow, Member]):
    model = Follow
    view_capability = Capability.VIEW_MEMBERS
    verbose_name_plural = _("跟进人")
    fields = ("staff", "state_label", "remark", "began_at", "ended_at")
    readonly_fields = fields
    ordering = ("-pk",)
    show_title = False
    tab = True

    @display(description=_("状态"), label=COLOURS)
    def state_label(self, follow: Follow) -> tuple[str, str]:
        return follow_state(follow)


@admin.register(Follow)
class FollowAdmin(HistoryModelAdmin[Follow]):
    view_capability = Capability.VIEW_MEMBERS
    list_display = ("who", "staff", "state_label", "remark", "began_at", "ended_at")
    list_filter = (OpenFollowFilter, ("began_at", RangeDateFilter))
    list_select_related = ("member", "staff")
    search_fields = ("member__nickname", "staff__name", "external_userid")
    fields = (
        ("member", "staff", "channel_account"),
        ("external_userid", "is_mutual"),
        ("remark", "add_way", "state"),
        ("began_at", "began_confidence", "seen_at"),
        ("ended_at", "end_reason", "end_confidence"),
    )
    readonly_fields = (
        "member",
        "staff",
        "channel_account",
        "external_userid",
        "is_mutual",
        "remark",
        "add_way",
        "state",
        "began_at",
        "began_confidence",
        "seen_at",
        "ended_at",
        "end_reason",
        "end_confidence",
    )
    ordering = ("-pk",)

    @display(description=_("成员"), ordering="member__nickname", header=True)
    def who(self, follow: Follow) -> list[str]:
        member = follow.member
        return [member.nickname, member.external_id, member.nickname[:1]]

    @display(description=_("状态"), ordering="ended_at", label=COLOURS)
    def state_label(self, follow: Follow) -> tuple[str, str]:
        return follow_state(follow)
