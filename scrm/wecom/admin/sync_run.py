from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from scrm.accounts.admin_scope import HistoryModelAdmin, confirm
from scrm.accounts.readable import NOTHING
from scrm.accounts.rules.roles import Capability
from scrm.wecom.admin.words import SYNC_COLOURS, lasted
from scrm.wecom.models import SyncRun
from scrm.wecom.rules.status import SyncState
from scrm.wecom.rules.sync_words import STEP_WORDS, counts_in_words, drift_in_words
from scrm.wecom.services.syncing import cancel_sync


@admin.register(SyncRun)
class SyncRunAdmin(HistoryModelAdmin[SyncRun]):
    """Every reading of a company: what it saw, and what the callbacks had not told."""

    view_capability = Capability.VIEW_ACCOUNTS
    action_capabilities: ClassVar[dict[str, Capability]] = {"manage": Capability.MANAGE_ACCOUNTS}
    list_display = (
        "started_at",
        "scope",
        "state_label",
        "read",
        "missed",
        "duration",
        "who",
    )
    list_filter = (
        ("state", MultipleChoicesDropdownFilter),
        ("scope", MultipleChoicesDropdownFilter),
        "connection",
    )
    list_select_related = ("connection", "requested_by")
    list_fullwidth = True
    ordering = ("-pk",)
    fields = (
        ("scope", "state"),
        ("connection", "who"),
        ("started_at", "finished_at", "duration"),
        "position",
        "reason",
        "read",
        "missed",
    )
    readonly_fields = ("who", "duration", "position", "read", "missed")
    actions_detail = ("cancel",)

    def idle_buttons(self, row: SyncRun) -> set[str]:
        return set() if row.state == SyncState.RUNNING else {"cancel"}

    @display(description=_("状态"), ordering="state", label=SYNC_COLOURS)
    def state_label(self, run: SyncRun) -> tuple[str, str]:
        return run.state, run.get_state_display()

    @display(description=_("读到"))
    def read(self, run: SyncRun) -> SafeString | str:
        lines = counts_in_words(run.counts)
        if not lines:
            return NOTHING
        return format_html_join("", "<div>{}：{}</div>", lines)

    @display(description=_("差异"))
    def missed(self, run: SyncRun) -> SafeString | str:
        words = drift_in_words(run.drift)
        if words:
            return format_html('<span class="text-orange-600">{}</span>', words)
        return gettext("没有差异") if run.state == SyncState.COMPLETED else NOTHING

    @display(description=_("用时"))
    def duration(self, run: SyncRun) -> str:
        return lasted((run.finished_at or timezone.now()) - run.started_at)

    @display(description=_("发起"))
    def who(self, run: SyncRun) -> str:
        return run.requested_by.username if run.requested_by else gettext("每晚自动")

    @display(description=_("正在读"))
    def position(self, run: SyncRun) -> str:
        if run.state != SyncState.RUNNING:
            return NOTHING
        return str(STEP_WORDS.get(run.step, run.step)) if run.step else gettext("等待开始")

    @action(
        description=_("取消"),
        icon="cancel",
        variant=ActionVariant.DANGER,
        permissions=["manage"],
        dialog=confirm(_("取消这次同步？"), _("已经写入的保留，其余下次再读。")),
    )
    def cancel(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, cancel_sync, done=gettext("同步已取消。"))
