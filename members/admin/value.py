from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.contrib.filters.admin.datetime_filters import RangeDateFilter
from unfold.contrib.filters.admin.dropdown_filters import DropdownFilter
from unfold.decorators import display

from communities.models import Community
from members.admin.value_matrix import matrix_page
from members.admin.words import NOTHING
from members.models import Membership, MemberValue
from members.rules.values import ValueBand
from scrm.accounts.admin_paging import CappedPaginator
from scrm.accounts.admin_scope import HistoryModelAdmin, admin_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.money import in_yuan

BAND_COLOURS = {
    ValueBand.HIGH: "success",
    ValueBand.MEDIUM: "info",
    ValueBand.LOW: "default",
    ValueBand.NONE: "default",
}


class CommunityFilter(DropdownFilter):  # type: ignore[misc]  # untyped upstream
    title = _("社群")
    parameter_name = "community"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = Community.objects.visible_to(admin_user(request)).order_by("name", "pk")
        return [(str(pk), name) for pk, name in rows.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        known = {value for value, _name in self.lookup_choices}
        if self.value() not in known:
            return queryset
        inside = Membership.objects.active().filter(community=self.value())
        return queryset.filter(member__in=inside.values("member"))


class UnscoredFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("RFM 评分")
    parameter_name = "unscored"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("有")), ("yes", _("没有"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> Any:
        if self.value() is None:
            return queryset
        unscored = models.Q(segment="")
        return queryset.filter(unscored if self.value() == "yes" else ~unscored)


@admin.register(MemberValue)
class MemberValueAdmin(HistoryModelAdmin[MemberValue]):
    """Everybody who was valued, the most valuable first."""

    view_capability = Capability.VIEW_MEMBERS
    paginator = CappedPaginator
    list_display = (
        "who",
        "segment_label",
        "scores",
        "band_label",
        "clv",
        "alive_words",
        "behaviour_label",
        "purchase_days",
        "spent",
        "last_purchase_on",
    )
    list_filter = (
        CommunityFilter,
        "segment",
        UnscoredFilter,
        "clv_band",
        "behaviour",
        ("last_purchase_on", RangeDateFilter),
    )
    list_select_related = ("member",)
    list_fullwidth = True
    search_fields = ("=member__external_id", "member__nickname")
    search_help_text = _("客户编号或昵称")
    fields = (
        "member",
        ("segment_label", "scores"),
        ("clv_band", "clv"),
        ("alive_words", "expected"),
        ("behaviour_label", "last_sign_on", "active_days", "contribution"),
        ("purchase_days", "first_purchase_on", "last_purchase_on"),
        ("spent", "spent_year"),
        ("computed_on", "model_version"),
    )
    readonly_fields = tuple(
        name for line in fields for name in ((line,) if isinstance(line, str) else line)
    )

    def get_ordering(self, request: HttpRequest) -> Any:
        return (F("clv_amount").desc(nulls_last=True), "-pk")

    def get_urls(self) -> list[URLPattern]:
        matrix = path(
            "matrix/",
            self.admin_site.admin_view(self.matrix),
            name="members_membervalue_matrix",
        )
        return [matrix, *super().get_urls()]

    def matrix(self, request: HttpRequest) -> HttpResponse:
        """Kinds of customers by value and behaviour."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts}
        page = {**context, **matrix_page(request)}
        return TemplateResponse(request, "admin/members/value_matrix.html", page)

    @display(description=_("成员"), header=True)
    def who(self, value: MemberValue) -> list[str]:
        return [value.member.nickname, value.member.external_id, value.member.nickname[:1]]

    @display(description=_("RFM 分群"))
    def segment_label(self, value: MemberValue) -> str:
        return value.get_segment_display() or NOTHING

    @display(description=_("R·F·M"))
    def scores(self, value: MemberValue) -> str:
        if not value.recency:
            return NOTHING
        return f"{value.recency}·{value.frequency}·{value.monetary}"

    @display(description=_("价值档"), label=BAND_COLOURS)
    def band_label(self, value: MemberValue) -> tuple[str, str]:
        return value.clv_band, value.get_clv_band_display()

    @display(description=_("预计价值（12 个月）"), ordering="clv_amount")
    def clv(self, value: MemberValue) -> str:
        return NOTHING if value.clv_amount is None else in_yuan(value.clv_amount)

    @display(description=_("仍是顾客的概率"))
    def alive_words(self, value: MemberValue) -> str:
        return NOTHING if value.alive is None else f"{value.alive:.0%}"

    @display(description=_("未来 12 个月预计购买天数"))
    def expected(self, value: MemberValue) -> str:
        known = value.expected_purchases
        return NOTHING if known is None else f"{known:.1f}"

    @display(description=_("行为标签"))
    def behaviour_label(self, value: MemberValue) -> str:
        return value.get_behaviour_display()

    @display(description=_("累计净消费"), ordering="spent_amount")
    def spent(self, value: MemberValue) -> str:
        return in_yuan(value.spent_amount) if value.purchase_days else NOTHING

    @display(description=_("近一年净消费"))
    def spent_year(self, value: MemberValue) -> str:
        return in_yuan(value.spent_year_amount) if value.purchase_days else NOTHING
