from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display

from scrm.accounts.admin_scope import HistoryModelAdmin, confirm
from scrm.accounts.rules.roles import Capability
from scrm.wecom.admin.words import READ_COLOURS
from scrm.wecom.models import ReadRequest
from scrm.wecom.rules.status import ReadState
from scrm.wecom.services.reading import replay_read


@admin.register(ReadRequest)
class ReadRequestAdmin(HistoryModelAdmin[ReadRequest]):
    """What is to be read again on the platform; a row goes once it was read."""

    view_capability = Capability.VIEW_ACCOUNTS
    action_capabilities = {"manage": Capability.MANAGE_ACCOUNTS}
    list_display = (
        "external_id",
        "kind",
        "state_label",
        "attempt_count",
        "reason",
        "requested_at",
        "due_at",
    )
    list_filter = (
        ("state", MultipleChoicesDropdownFilter),
        ("kind", MultipleChoicesDropdownFilter),
        "connection",
    )
    list_select_related = ("connection",)
    list_fullwidth = True
    search_fields = ("external_id",)
    ordering = ("-pk",)
    fields = (
        ("external_id", "kind"),
        "connection",
        ("state", "attempt_count"),
        "reason",
        ("requested_at", "due_at"),
    )
    actions = ("replay_selected",)
    actions_detail = ("replay",)

    def idle_buttons(self, row: ReadRequest) -> set[str]:
        return set() if row.state == ReadState.FAILED else {"replay"}

    @display(description=_("状态"), ordering="state", label=READ_COLOURS)
    def state_label(self, row: ReadRequest) -> tuple[str, str]:
        return row.state, row.get_state_display()

    @admin.action(description=_("重新读取所选"), permissions=["manage"])
    def replay_selected(self, request: HttpRequest, queryset: models.QuerySet[ReadRequest]) -> None:
        self.run_on_rows(request, queryset, replay_read, done=gettext("将重新读取"))

    @action(
        description=_("重试"),
        icon="replay",
        permissions=["manage"],
        dialog=confirm(_("重新读取？"), _("很快会再向企业微信读取一次。")),
    )
    def replay(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, replay_read, done=gettext("将重新读取。"))
