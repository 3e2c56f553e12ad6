from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.choice_filters import RadioFilter
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from campaigns.admin.run_panels import state_in_words
from campaigns.models import Dispatch
from campaigns.progress_words import DISPATCH_COLOURS, NOTHING, reason_in_words
from campaigns.rules.confirming import UNCONFIRMED_AFTER as PATIENCE
from campaigns.rules.status import OPEN_RUN, DispatchStatus
from campaigns.selectors.choices import DISPATCH_VERBS, actions_of_dispatch
from campaigns.selectors.confirmations import with_sender_name
from campaigns.services.reminding import remind_dispatch
from campaigns.services.stopping import stop_dispatch
from scrm.accounts.admin_scope import HistoryModelAdmin, admin_user, confirm
from scrm.accounts.rules.roles import Capability


class WaitsFilter(RadioFilter):  # type: ignore[misc]  # untyped upstream
    title = _("确认")
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("超过一天没确认"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() is None:
            return queryset
        return queryset.filter(
            run__status__in=sorted(OPEN_RUN),
            status=DispatchStatus.AWAITING,
            confirmed_at=None,
            submitted_at__lt=timezone.now() - PATIENCE,
        )


@admin.register(Dispatch)
class DispatchAdmin(HistoryModelAdmin[Dispatch]):
    """Every call to a channel; on the platform one colleague's task to confirm."""

    view_capability = Capability.VIEW_CAMPAIGNS
    action_capabilities: ClassVar[dict[str, Capability]] = {
        "compose": Capability.COMPOSE_CAMPAIGNS,
    }
    list_display = (
        "broadcast",
        "sequence",
        "owner",
        "status_label",
        "size",
        "delivered_count",
        "awaiting_count",
        "failed_count",
        "submitted_at",
        "confirmed_at",
    )
    list_filter = (("status", MultipleChoicesDropdownFilter), WaitsFilter, "run")
    list_select_related = ("run__broadcast",)
    search_fields = ("run__broadcast__name", "sender")
    ordering = ("-pk",)
    actions_detail = ("remind", "stop")
    fields = (
        ("run", "owner", "state"),
        ("size", "delivered_count", "awaiting_count"),
        ("failed_count", "suppressed_count", "cancelled_count", "expired_count"),
        ("submitted_at", "confirmed_at", "reminded"),
        ("attempt_count", "lost_count", "error"),
    )
    readonly_fields = ("owner", "state", "size", "reminded", "error")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Dispatch]:
        return with_sender_name(super().get_queryset(request))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        buttons = super().get_actions_detail(request, object_id)
        row = self.get_object(request, str(object_id))
        fitting = actions_of_dispatch(row, admin_user(request)) if row else []
        return [one for one in buttons if one.method.__name__ in {*fitting} & {*DISPATCH_VERBS}]

    @display(description=_("群发"))
    def broadcast(self, dispatch: Dispatch) -> str:
        return dispatch.run.broadcast.name

    @display(description=_("发送人"))
    def owner(self, dispatch: Any) -> str:
        return dispatch.sender_name or dispatch.sender or NOTHING

    @display(description=_("状态"), ordering="status", label=DISPATCH_COLOURS)
    def status_label(self, dispatch: Dispatch) -> tuple[str, str]:
        return dispatch.status, state_in_words(dispatch)

    @display(description=_("状态"))
    def state(self, dispatch: Dispatch) -> str:
        return state_in_words(dispatch)

    @display(description=_("收件人"))
    def size(self, dispatch: Any) -> int:
        count: int = dispatch.recipient_count
        return count

    @display(description=_("提醒"))
    def reminded(self, dispatch: Dispatch) -> str:
        count = len(dispatch.reminded_at)
        return gettext("%(count)d 次") % {"count": count} if count else NOTHING

    @display(description=_("最近错误"))
    def error(self, dispatch: Dispatch) -> str:
        return reason_in_words(dispatch.last_error)

    @action(
        description=_("提醒"),
        icon="notifications_active",
        permissions=["compose"],
        dialog=confirm(_("提醒这位群主确认？"), _("平台每 24 小时最多提醒 3 次。")),
    )
    def remind(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, remind_dispatch, done=gettext("已安排提醒。"))

    @action(
        description=_("停止"),
        icon="front_hand",
        variant=ActionVariant.DANGER,
        permissions=["compose"],
        dialog=confirm(_("停止这位群主的任务？"), _("还没发出的不再发出；已经发出的收不回来。")),
    )
    def stop(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, stop_dispatch, done=gettext("正在停止。"))

    def back_to(self, request: HttpRequest, row: models.Model | None = None) -> HttpResponse:
        """Who acts from the page of the run stays on it: the next owner is already there."""
        if isinstance(row, Dispatch):
            run = reverse("admin:campaigns_run_change", args=[row.run_id])
            if run in request.headers.get("HX-Current-URL", ""):
                return HttpResponse(headers={"HX-Redirect": run})
        return super().back_to(request, row)
