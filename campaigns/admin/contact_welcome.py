from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from campaigns.admin.welcome import STATUS_LABELS
from campaigns.models import ContactWelcome
from campaigns.progress_words import reason_in_words
from scrm.accounts.admin_scope import HistoryModelAdmin
from scrm.accounts.rules.roles import Capability


@admin.register(ContactWelcome)
class ContactWelcomeAdmin(HistoryModelAdmin[ContactWelcome]):
    view_capability = Capability.VIEW_CAMPAIGNS
    list_display = (
        "contact",
        "colleague",
        "status_label",
        "reason_words",
        "occurred_at",
        "settled_at",
    )
    list_filter = ("status",)
    list_select_related = ("follow__member", "follow__staff")
    search_fields = ("follow__member__nickname", "follow__member__external_id")
    ordering = ("-pk",)
    fields = (
        ("contact", "colleague"),
        ("status", "reason_words"),
        ("occurred_at", "expires_at", "settled_at"),
        "text",
    )
    readonly_fields = ("contact", "colleague", "reason_words", "text")

    @display(description=_("客户"))
    def contact(self, welcome: ContactWelcome) -> str:
        return welcome.follow.member.nickname

    @display(description=_("跟进人"))
    def colleague(self, welcome: ContactWelcome) -> str:
        return welcome.follow.staff.name

    @display(description=_("状态"), ordering="status", label=STATUS_LABELS)
    def status_label(self, welcome: ContactWelcome) -> tuple[str, str]:
        return welcome.status, welcome.get_status_display()

    @display(description=_("原因"))
    def reason_words(self, welcome: ContactWelcome) -> str:
        return reason_in_words(welcome.reason)

    @display(description=_("欢迎语"))
    def text(self, welcome: ContactWelcome) -> str:
        return welcome.policy.body
