from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from campaigns.admin.run_panels import can_be_retried, fragment_of, panels_of, results_of
from campaigns.models import Run
from campaigns.progress_words import RUN_COLOURS, reason_in_words
from campaigns.selectors.choices import actions_of_run
from campaigns.selectors.confirmations import confirmations_of
from campaigns.selectors.progress import failure_reasons, progress_of
from campaigns.services.missed import run_missed, skip_missed
from campaigns.services.reminding import remind_run
from campaigns.services.retrying import retry_failed
from scrm.accounts.admin_scope import HistoryModelAdmin, admin_user, confirm
from scrm.accounts.rules.roles import Capability
from scrm.shared.errors import DomainError


class RetryDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    """Which causes; the one that was clicked is chosen already."""

    reasons = forms.MultipleChoiceField(
        label=_("因为什么失败的"),
        choices=[],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        visible = Run.objects.visible_to(admin_user(self.request))
        asked = str(self.object_id)
        run = visible.filter(pk=asked).first() if asked.isdecimal() else None
        failed = [
            (reason, f"{reason_in_words(reason)}（{count}）")
            for status, reason, count in (failure_reasons(run.pk) if run else [])
            if can_be_retried(status, reason)
        ]
        self.fields["reasons"].choices = failed
        self.fields["reasons"].initial = [self.request.GET.get("reason", "")]


@admin.register(Run)
class RunAdmin(HistoryModelAdmin[Run]):
    """Every occurrence of a broadcast, and on its page the result of every recipient."""

    view_capability = Capability.VIEW_CAMPAIGNS
    action_capabilities: ClassVar[dict[str, Capability]] = {
        "compose": Capability.COMPOSE_CAMPAIGNS,
    }
    list_display = (
        "broadcast",
        "planned_for",
        "status_label",
        "recipient_count",
        "waits",
        "finished_at",
    )
    list_filter = (("status", MultipleChoicesDropdownFilter), "broadcast")
    list_select_related = ("broadcast",)
    search_fields = ("broadcast__name",)
    ordering = ("-pk",)
    actions_detail = ("retry", "remind", "run_missed", "skip_missed")
    fields = (
        ("broadcast", "status"),
        ("planned_for", "started_at", "finished_at"),
        ("recipient_count", "dispatch_count", "status_reason"),
    )

    class Media:
        css: ClassVar[dict[str, list[str]]] = {
            "all": ["shared/facts.css", "campaigns/composer.css"]
        }

    @display(description=_("状态"), ordering="status", label=RUN_COLOURS)
    def status_label(self, run: Run) -> tuple[str, str]:
        return run.status, run.get_status_display()

    @display(description=_("说明"))
    def waits(self, run: Run) -> str:
        return reason_in_words(run.held_reason) if run.held_reason else run.status_reason

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        buttons = super().get_actions_detail(request, object_id)
        run = self.get_object(request, str(object_id))
        if run is None:
            return buttons
        fitting = set(actions_of_run(run, admin_user(request)))
        if "retry" in fitting and not progress_of(run.pk).failed:
            fitting.discard("retry")
        if "remind" in fitting and not confirmations_of(run.pk).waiting:
            fitting.discard("remind")
        return [one for one in buttons if one.method.__name__ in fitting]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        run = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if run is not None:
            user = admin_user(request)
            if part := fragment_of(request, run, user=user):
                return part
            context["panels"] = panels_of(run, user=user)
            context["results"] = results_of(request, run, context["panels"].progress)
        return super().change_view(request, object_id, form_url, context)

    # --- buttons ---

    @action(
        description=_("重发失败的"),
        icon="refresh",
        variant=ActionVariant.PRIMARY,
        permissions=["compose"],
        dialog={
            **confirm(
                _("重发给失败的收件人？"),
                _("只发给因为选中的原因失败的；再次经过全部发送规则。"),
                submit=_("重发"),
            ),
            "form_class": RetryDialog,
        },
    )
    def retry(self, request: HttpRequest, form: RetryDialog, object_id: str) -> HttpResponse:
        run = self.row(request, object_id)
        try:
            count = retry_failed(
                run.pk, actor=admin_user(request), reasons=form.cleaned_data["reasons"]
            )
        except DomainError as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
        else:
            words = ngettext("重新排队 %(count)d 位。", "重新排队 %(count)d 位。", count)
            self.message_user(request, words % {"count": count}, messages.SUCCESS)
        return self.back_to(request, run)

    @action(
        description=_("提醒没确认的群主"),
        icon="notifications_active",
        permissions=["compose"],
        dialog=confirm(_("提醒所有还没确认的群主？"), _("平台每 24 小时最多提醒 3 次。")),
    )
    def remind(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, remind_run, done=gettext("已安排提醒。"))

    @action(
        description=_("现在补发"),
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
        permissions=["compose"],
        dialog=confirm(_("错过的这一次，现在补发？"), _("名单按现在的数据锁定。")),
    )
    def run_missed(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, run_missed, done=gettext("已开始补发。"))

    @action(
        description=_("不发了"),
        icon="event_busy",
        permissions=["compose"],
        dialog=confirm(_("错过的这一次不发了？"), _("以后的照常。")),
    )
    def skip_missed(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, skip_missed, done=gettext("这一次不发了。"))
