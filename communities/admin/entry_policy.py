from __future__ import annotations

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import display

from communities.models import EntryPolicy
from scrm.accounts.admin_scope import HistoryModelAdmin
from scrm.accounts.rules.roles import Capability
from scrm.shared.criterion_words import describe_stored


@admin.register(EntryPolicy)
class EntryPolicyAdmin(HistoryModelAdmin[EntryPolicy]):
    """Every version of every community, to be read. A new one is set on the community's page."""

    view_capability = Capability.VIEW_COMMUNITIES
    list_display = (
        "community",
        "version",
        "mode",
        "threshold",
        "photos",
        "review_hours",
        "requalify_days",
        "is_active",
        "created_by",
        "created_at",
    )
    list_filter = ("is_active", ("mode", MultipleChoicesDropdownFilter), "community")
    list_select_related = ("community", "created_by")
    search_fields = ("community__name", "community__code")
    fields = list_display
    readonly_fields = list_display
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[EntryPolicy]:
        return super().get_queryset(request).prefetch_related("evidence_axes")

    @display(description=_("需要的凭证"))
    def photos(self, policy: EntryPolicy) -> str:
        return "、".join(axis.name for axis in policy.evidence_axes.all()) or "—"

    @display(description=_("门槛"))
    def threshold(self, policy: EntryPolicy) -> str:
        return describe_stored(policy.criterion)
