from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import (
    MultipleChoicesDropdownFilter,
    MultipleDropdownFilter,
)
from unfold.decorators import action, display

from scrm.accounts.admin_gates import may
from scrm.accounts.admin_paging import CappedPaginator
from scrm.accounts.admin_scope import HistoryModelAdmin, confirm
from scrm.accounts.readable import NOTHING
from scrm.accounts.rules.roles import Capability
from scrm.wecom.admin.words import EVENT_COLOURS, moment
from scrm.wecom.models import InboundEvent
from scrm.wecom.rules.event_words import CHANGE_WORDS, EVENT_WORDS, event_in_words
from scrm.wecom.rules.masking import masked
from scrm.wecom.rules.status import EventState
from scrm.wecom.services.inbox import replay_event

REPLAYABLE = {EventState.FAILED, EventState.IGNORED}


class EventFilter(MultipleDropdownFilter):  # type: ignore[misc]  # untyped upstream
    """What happened, in words; kinds that we do not know are found by the search."""

    title = _("事件")
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            (f"{event}.{change}", f"{EVENT_WORDS[event]}：{words}")
            for (event, change), words in CHANGE_WORDS.items()
        ]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[InboundEvent]
    ) -> models.QuerySet[InboundEvent]:
        chosen = models.Q()
        for value in self.value() or ():
            event, _dot, change = str(value).partition(".")
            if (event, change) in CHANGE_WORDS:
                chosen |= models.Q(event=event, change_type=change)
        return queryset.filter(chosen)


@admin.register(InboundEvent)
class InboundEventAdmin(HistoryModelAdmin[InboundEvent]):
    """What the platform told us, and what became of it. The document itself holds personal data:
    only who manages the connection reads it."""

    view_capability = Capability.VIEW_ACCOUNTS
    action_capabilities: ClassVar[dict[str, Capability]] = {"manage": Capability.MANAGE_ACCOUNTS}
    list_display = (
        "received",
        "what",
        "subject",
        "state_label",
        "attempt_count",
        "reason",
        "occurred_at",
    )
    list_filter = (("state", MultipleChoicesDropdownFilter), EventFilter, "connection")
    list_fullwidth = True
    paginator = CappedPaginator
    search_fields = ("=subject", "=event", "=change_type")
    search_help_text = _("按对象的完整编号或事件名查找")
    ordering = ("-pk",)
    actions = ("replay_selected",)
    actions_detail = ("replay",)
    facts = (
        ("what", "state"),
        ("subject", "connection"),
        ("occurred_at", "received_at", "settled_at"),
        ("attempt_count", "reason"),
        "platform_name",
    )

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[InboundEvent]:
        """The documents are deciphered only on the page that shows one."""
        return super().get_queryset(request).defer("payload").select_related("connection")

    def get_fields(self, request: HttpRequest, obj: InboundEvent | None = None) -> Any:
        document = ("document",) if may(request, Capability.MANAGE_ACCOUNTS) else ()
        return (*self.facts, *document)

    def get_readonly_fields(self, request: HttpRequest, obj: InboundEvent | None = None) -> Any:
        return ("what", "platform_name", "document")

    def idle_buttons(self, row: InboundEvent) -> set[str]:
        return set() if row.state in REPLAYABLE else {"replay"}

    @display(description=_("收到时间"), ordering="pk")
    def received(self, event: InboundEvent) -> str:
        return moment(event.received_at)

    @display(description=_("事件"))
    def what(self, event: InboundEvent) -> str:
        return event_in_words(event.event, event.change_type, event.detail)

    @display(description=_("平台名称"))
    def platform_name(self, event: InboundEvent) -> str:
        return " · ".join(filter(None, [event.event, event.change_type, event.detail]))

    @display(description=_("状态"), ordering="state", label=EVENT_COLOURS)
    def state_label(self, event: InboundEvent) -> tuple[str, str]:
        return event.state, event.get_state_display()

    @display(description=_("原文"))
    def document(self, event: InboundEvent) -> SafeString | str:
        if event.payload_emptied_at is not None:
            return gettext("个人信息保存期已过，原文已清除。")
        if not event.payload:
            return NOTHING
        block = '<pre class="whitespace-pre-wrap break-all" style="width:0;min-width:100%">{}</pre>'
        return format_html(block, masked(event.payload))

    @admin.action(description=_("重新处理所选"), permissions=["manage"])
    def replay_selected(
        self, request: HttpRequest, queryset: models.QuerySet[InboundEvent]
    ) -> None:
        self.run_on_rows(request, queryset, replay_event, done=gettext("将重新处理"))

    @action(
        description=_("重新处理"),
        icon="replay",
        permissions=["manage"],
        dialog=confirm(_("重新处理这条回调？"), _("从头处理一次；已经生效的不会重复生效。")),
    )
    def replay(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, replay_event, done=gettext("将重新处理。"))
