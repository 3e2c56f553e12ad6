from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from campaigns.admin.alert_filters import MineFilter, StateFilter
from campaigns.admin.quality import quality_page
from campaigns.admin.winback_forms import WinbackActions
from campaigns.alert_words import (
    actions_in_words,
    reason_chips,
    risk_bar,
    stake_bar,
    value_in_words,
)
from campaigns.models import ChurnAlert
from campaigns.models.churn_alert import STAKE
from campaigns.rules.status import AlertStatus
from campaigns.services.churn_alerts import acknowledge_alert, dismiss_alert, start_intervening
from scrm.accounts.admin_scope import EnterpriseModelAdmin, admin_user, confirm
from scrm.accounts.rules.roles import Capability


def unbroken(text: str) -> SafeString:
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


class DismissDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    reason = forms.CharField(
        label=_("原因"),
        max_length=300,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("为什么不跟进，例如“已线下联系”。"),
    )


@admin.register(ChurnAlert)
class ChurnAlertAdmin(WinbackActions, EnterpriseModelAdmin[ChurnAlert]):
    """The worklist, by value times risk. State moves only through the actions."""

    view_capability = Capability.VIEW_CAMPAIGNS
    action_capabilities = {
        "work": Capability.WORK_ALERTS,
        "compose": Capability.COMPOSE_CAMPAIGNS,
    }
    list_display = (
        "who",
        "status_label",
        "stake",
        "risk",
        "value",
        "main_reasons",
        "last_seen",
        "assignee",
        "raised_on",
    )
    list_filter = (
        StateFilter,
        MineFilter,
        ("cause", MultipleChoicesDropdownFilter),
        ("outcome", MultipleChoicesDropdownFilter),
        "community",
        "assignee",
    )
    list_select_related = ("member", "community", "assignee")
    list_fullwidth = True
    search_fields = ("member__nickname", "member__external_id", "community__name")
    fields = (
        ("member", "community"),
        ("status", "outcome"),
        ("assignee", "cause"),
        ("risk", "value"),
        "reason_list",
        "acted",
        ("last_active_on", "opened_on", "closed_at"),
        "note",
        "model_version",
    )
    readonly_fields = (
        "member",
        "community",
        "status",
        "outcome",
        "assignee",
        "cause",
        "risk",
        "value",
        "reason_list",
        "acted",
        "last_active_on",
        "opened_on",
        "closed_at",
        "note",
        "model_version",
    )
    ordering = (STAKE.desc(), "-probability", "-pk")
    actions = (
        "acknowledge_selected",
        "ask_colleagues",
        "send_message",
        "give_benefit",
        "intervene_selected",
    )
    actions_row = ("acknowledge", "intervene", "dismiss")
    actions_detail = ("acknowledge", "intervene", "dismiss")

    # --- rows and pages ---

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[ChurnAlert]:
        """With what is at stake, and the most that is at stake anywhere in the worklist."""
        rows: Any = super().get_queryset(request)
        most = rows.open().by_stake().values_list("stake", flat=True)[:1]
        return rows.with_stake().annotate(  # type: ignore[no-any-return]  # our own queryset
            most_at_stake=models.Value(next(iter(most), 0.0), models.FloatField())
        )

    def get_urls(self) -> list[URLPattern]:
        quality = path(
            "quality/",
            self.admin_site.admin_view(self.quality_view),
            name="campaigns_churnalert_quality",
        )
        return [quality, *super().get_urls()]

    def quality_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return quality_page(request, user=admin_user(request), context=context)

    # --- columns ---

    @display(description=_("成员"), ordering="member__nickname", header=True)
    def who(self, alert: ChurnAlert) -> list[str]:
        nickname = alert.member.nickname
        return [unbroken(nickname), unbroken(alert.community.name), nickname[:1]]

    @display(
        description=_("状态"),
        ordering="status",
        label={
            AlertStatus.OPEN: "danger",
            AlertStatus.ACKNOWLEDGED: "warning",
            AlertStatus.INTERVENING: "info",
            AlertStatus.RECOVERED: "success",
            AlertStatus.CHURNED: "danger",
        },
    )
    def status_label(self, alert: ChurnAlert) -> tuple[str, str]:
        return alert.status, alert.get_status_display()

    @display(description=_("流失概率"), ordering="probability")
    def risk(self, alert: ChurnAlert) -> SafeString:
        return risk_bar(alert.probability)

    @display(description=_("预计损失"), ordering="stake")
    def stake(self, alert: ChurnAlert) -> SafeString | str:
        annotated: Any = alert
        return stake_bar(annotated.stake, most=annotated.most_at_stake)

    @display(description=_("做了什么"))
    def acted(self, alert: ChurnAlert) -> SafeString | str:
        return actions_in_words(alert)

    @display(description=_("成员价值"), ordering="value_amount")
    def value(self, alert: ChurnAlert) -> str:
        return value_in_words(alert)

    @display(description=_("原因"))
    def main_reasons(self, alert: ChurnAlert) -> SafeString | str:
        return reason_chips(alert, strongest=2)

    @display(description=_("原因"))
    def reason_list(self, alert: ChurnAlert) -> SafeString | str:
        return reason_chips(alert)

    @display(description=_("最近活跃"), ordering="last_active_on")
    def last_seen(self, alert: ChurnAlert) -> str:
        return date_format(alert.last_active_on, "m-d") if alert.last_active_on else "—"

    @display(description=_("预警日"), ordering="opened_on")
    def raised_on(self, alert: ChurnAlert) -> str:
        return date_format(alert.opened_on, "m-d")

    # --- verbs ---

    @admin.action(description=_("认领所选预警"), permissions=["work"])
    def acknowledge_selected(
        self, request: HttpRequest, queryset: models.QuerySet[ChurnAlert]
    ) -> None:
        self.run_on_rows(request, queryset, acknowledge_alert, done=gettext("已认领"))

    @admin.action(description=_("所选预警开始干预"), permissions=["work"])
    def intervene_selected(
        self, request: HttpRequest, queryset: models.QuerySet[ChurnAlert]
    ) -> None:
        self.run_on_rows(request, queryset, start_intervening, done=gettext("已开始干预"))

    @action(
        description=_("认领"),
        icon="person_add",
        permissions=["work"],
        dialog=confirm(_("认领这条预警？"), _("它会归你跟进。")),
    )
    def acknowledge(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, acknowledge_alert, done=gettext("已认领。"))

    @action(
        description=_("开始干预"),
        icon="volunteer_activism",
        permissions=["work"],
        dialog=confirm(_("开始干预？"), _("表示已经在联系这位成员。")),
    )
    def intervene(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, start_intervening, done=gettext("已开始干预。"))

    @action(
        description=_("忽略"),
        icon="notifications_off",
        variant=ActionVariant.DANGER,
        permissions=["work"],
        dialog={
            **confirm(_("忽略这条预警？"), _("28 天内不再提醒这位成员。")),
            "form_class": DismissDialog,
        },
    )
    def dismiss(self, request: HttpRequest, form: DismissDialog, object_id: str) -> Any:
        reason = form.cleaned_data["reason"]
        return self.run_on_row(
            request, object_id, dismiss_alert, done=gettext("已忽略。"), reason=reason
        )

    def back_to(self, request: HttpRequest, row: models.Model | None = None) -> HttpResponse:
        """Who acts from the worklist stays in it: the next one is already there."""
        worklist = reverse("admin:campaigns_churnalert_changelist")
        came_from = request.headers.get("HX-Current-URL", "").partition("?")[0]
        return super().back_to(request, None if came_from.endswith(worklist) else row)
