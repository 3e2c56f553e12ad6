"""Insight in the admin: the days of communities, and the pages made of them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.datetime_filters import RangeDateFilter
from unfold.decorators import display

from communities.models import Community
from members.models import CommunityDay
from scrm.accounts.admin_paging import CappedPaginator
from scrm.accounts.admin_scope import HistoryModelAdmin, admin_user
from scrm.accounts.rules.roles import Capability
from scrm.desk.insight.comparing import comparison_of
from scrm.desk.insight.pages import insight_of
from scrm.shared.money import in_yuan

NOTHING = "—"


@admin.register(CommunityDay)
class CommunityDayAdmin(HistoryModelAdmin[CommunityDay]):
    """Every day of every community as it was counted."""

    view_capability = Capability.VIEW_MEMBERS
    paginator = CappedPaginator
    list_display = (
        "community",
        "day",
        "member_count_end",
        "joined_count",
        "left_count",
        "active_count",
        "active_count_7",
        "active_count_28",
        "message_count",
        "staff_message_count",
        "buyer_count",
        "net",
        "is_measured",
    )
    list_filter = ("community", ("day", RangeDateFilter), "is_measured")
    list_select_related = ("community",)
    list_fullwidth = True
    fields = (
        ("community", "day", "is_measured"),
        ("member_count_start", "joined_count", "left_count", "member_count_end"),
        ("active_count", "active_count_7", "active_count_28"),
        ("speaker_count", "speaker_count_7"),
        ("interaction_count", "message_count", "staff_message_count"),
        ("buyer_count", "order_count", "net"),
        "computed_at",
    )
    readonly_fields = tuple(
        name for line in fields for name in ((line,) if isinstance(line, str) else line)
    )
    ordering = ("-day", "-pk")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("insight/", view(self.compare), name="members_communityday_compare"),
            path(
                "insight/<path:object_id>/", view(self.insight), name="members_communityday_insight"
            ),
        ]
        return [*own, *super().get_urls()]

    @display(description=_("净成交"), ordering="net_amount")
    def net(self, day: CommunityDay) -> str:
        return in_yuan(day.net_amount)

    def compare(self, request: HttpRequest) -> HttpResponse:
        return self.page(request, "compare", comparison_of(admin_user(request), request))

    def insight(self, request: HttpRequest, object_id: str) -> HttpResponse:
        self.may_look(request)
        communities = Community.objects.visible_to(admin_user(request))
        is_id = object_id.isascii() and object_id.isdecimal() and len(object_id) < 18
        community = communities.filter(pk=object_id).first() if is_id else None
        if community is None:
            raise Http404
        return self.page(request, "insight", insight_of(community, request))

    def may_look(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def page(self, request: HttpRequest, name: str, facts: dict[str, Any]) -> HttpResponse:
        self.may_look(request)
        context = {**self.admin_site.each_context(request), **facts}
        return TemplateResponse(request, f"desk/insight/{name}.html", context)
