from __future__ import annotations

from django.contrib import admin
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from campaigns.models import SandboxMessage
from scrm.accounts.admin_scope import HistoryModelAdmin
from scrm.accounts.rules.roles import Capability


@admin.register(SandboxMessage)
class SandboxMessageAdmin(HistoryModelAdmin[SandboxMessage]):
    """The outbox: what would have been sent, had the channel been a real one."""

    view_capability = Capability.VIEW_CAMPAIGNS
    list_display = ("received_at", "recipient_ref", "recipient_kind", "text", "channel_account")
    list_filter = ("recipient_kind", "channel_account")
    list_select_related = ("channel_account",)
    search_fields = ("recipient_ref", "body")
    ordering = ("-pk",)
    fields = (
        ("received_at", "channel_account"),
        ("recipient_kind", "recipient_ref"),
        "body",
        "key",
    )

    @display(description=_("内容"))
    def text(self, message: SandboxMessage) -> str:
        return Truncator(message.body).chars(60)
