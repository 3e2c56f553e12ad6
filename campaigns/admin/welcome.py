from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from campaigns.models import WelcomeDelivery, WelcomePolicy
from campaigns.progress_words import NOTHING, reason_in_words
from campaigns.rules.status import WelcomeStatus
from campaigns.services.welcoming import create_welcome_policy, edit_welcome_policy
from scrm.accounts.admin_scope import EnterpriseModelAdmin, HistoryModelAdmin
from scrm.accounts.rules.roles import Capability

STATUS_LABELS = {
    WelcomeStatus.SENT: "success",
    WelcomeStatus.SENDING: "info",
    WelcomeStatus.FAILED: "danger",
    WelcomeStatus.SKIPPED: "warning",
}


@admin.register(WelcomePolicy)
class WelcomePolicyAdmin(EnterpriseModelAdmin[WelcomePolicy]):
    view_capability = Capability.VIEW_CAMPAIGNS
    add_capability = Capability.COMPOSE_CAMPAIGNS
    change_capability = Capability.COMPOSE_CAMPAIGNS
    create_verb = create_welcome_policy
    update_verb = edit_welcome_policy
    list_display = ("place", "body", "is_active", "created_at")
    list_filter = ("is_active", "community")
    list_select_related = ("community",)
    search_fields = ("body", "community__name")
    fields = ("community", "body", "greets_imported", "is_active")
    ordering = ("pk",)

    def get_readonly_fields(self, request: HttpRequest, obj: WelcomePolicy | None = None) -> Any:
        return () if obj is None else ("community",)

    @display(description=_("社群"), ordering="community__name")
    def place(self, policy: WelcomePolicy) -> str:
        return policy.community.name if policy.community else gettext("所有没有专属欢迎语的社群")


@admin.register(WelcomeDelivery)
class WelcomeDeliveryAdmin(HistoryModelAdmin[WelcomeDelivery]):
    view_capability = Capability.VIEW_CAMPAIGNS
    list_display = (
        "newcomer",
        "community",
        "status_label",
        "reason_words",
        "planned_at",
        "settled_at",
    )
    list_filter = ("status",)
    list_select_related = ("stay__member", "stay__membership__community")
    search_fields = ("stay__member__nickname", "stay__member__external_id")
    ordering = ("-pk",)
    fields = (
        ("newcomer", "community"),
        ("status", "reason_words", "attempt_count"),
        ("planned_at", "settled_at"),
        "text",
    )
    readonly_fields = ("newcomer", "community", "reason_words", "text")

    @display(description=_("新成员"))
    def newcomer(self, welcome: WelcomeDelivery) -> str:
        return welcome.stay.member.nickname

    @display(description=_("社群"))
    def community(self, welcome: WelcomeDelivery) -> str:
        membership = welcome.stay.membership
        return membership.community.name if membership else NOTHING

    @display(
        description=_("状态"),
        ordering="status",
        label=STATUS_LABELS,
    )
    def status_label(self, welcome: WelcomeDelivery) -> tuple[str, str]:
        return welcome.status, welcome.get_status_display()

    @display(description=_("原因"))
    def reason_words(self, welcome: WelcomeDelivery) -> str:
        return reason_in_words(welcome.reason)

    @display(description=_("欢迎语"))
    def text(self, welcome: WelcomeDelivery) -> str:
        return welcome.policy.body
