from __future__ import annotations

from django.contrib import admin
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

    @display(description=_("门槛"))
    def threshold(self, policy: EntryPolicy) -> str:
        return describe_stored(policy.criterion)
