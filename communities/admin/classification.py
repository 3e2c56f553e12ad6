from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from communities.models import ClassificationAxis, ClassificationValue
from communities.services.classifying import create_axis, create_value, edit_axis, edit_value
from scrm.accounts.admin_scope import EnterpriseModelAdmin, EnterpriseTabularInline
from scrm.accounts.rules.roles import Capability


class Values(EnterpriseTabularInline[ClassificationValue, ClassificationAxis]):
    model = ClassificationValue
    view_capability = Capability.VIEW_COMMUNITIES
    fields = ("name", "code", "parent")
    readonly_fields = fields
    ordering = ("pk",)
    show_change_link = True


@admin.register(ClassificationAxis)
class AxisAdmin(EnterpriseModelAdmin[ClassificationAxis]):
    view_capability = Capability.VIEW_COMMUNITIES
    add_capability = Capability.MANAGE_COMMUNITIES
    change_capability = Capability.MANAGE_COMMUNITIES
    create_verb = create_axis
    update_verb = edit_axis
    list_display = ("name", "code", "is_exclusive", "requires_evidence", "value_count")
    list_before_template = "communities/report_link.html"
    search_fields = ("name", "code")
    fields = (("name", "code"), "is_exclusive", ("requires_evidence", "evidence_valid_days"))
    ordering = ("pk",)
    inlines = (Values,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[ClassificationAxis]:
        return super().get_queryset(request).annotate(value_total=models.Count("values"))

    def get_inlines(self, request: HttpRequest, obj: ClassificationAxis | None) -> Any:
        return self.inlines if obj else ()

    @display(description=_("值的数量"), ordering="value_total")
    def value_count(self, axis: Any) -> int:
        return int(axis.value_total)


@admin.register(ClassificationValue)
class ValueAdmin(EnterpriseModelAdmin[ClassificationValue]):
    view_capability = Capability.VIEW_COMMUNITIES
    add_capability = Capability.MANAGE_COMMUNITIES
    change_capability = Capability.MANAGE_COMMUNITIES
    create_verb = create_value
    update_verb = edit_value
    list_display = ("name", "axis", "parent", "code", "community_count")
    list_filter = ("axis", "parent")
    list_select_related = ("axis", "parent")
    search_fields = ("name", "code", "axis__name")
    autocomplete_fields = ("axis", "parent")
    fields = ("axis", "name", "code", "parent")
    ordering = ("axis", "pk")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[ClassificationValue]:
        rows = super().get_queryset(request)
        return rows.annotate(community_total=models.Count("communities"))

    def get_readonly_fields(
        self, request: HttpRequest, obj: ClassificationValue | None = None
    ) -> Any:
        return () if obj is None else ("axis",)

    @display(description=_("社群数"), ordering="community_total")
    def community_count(self, value: Any) -> int:
        return int(value.community_total)
