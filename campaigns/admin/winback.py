"""What was done to keep members, and by which rule alerts are raised."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextareaWidget

from campaigns.models import WinbackAction, WinbackPolicy
from campaigns.rules.money import in_yuan
from campaigns.rules.winback import WinbackKind, WinbackStatus, winback_reason_words
from campaigns.services.winback_ends import cancel_winback, complete_winback
from campaigns.services.winback_policies import (
    create_winback_policy,
    edit_winback_policy,
    remove_winback_policy,
)
from scrm.accounts.admin_scope import (
    EnterpriseModelAdmin,
    HistoryModelAdmin,
    admin_user,
    confirm,
)
from scrm.accounts.rules.roles import Capability

NOTHING = "—"


class NoteDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    note = forms.CharField(
        label=_("备注"),
        max_length=300,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )


@admin.register(WinbackAction)
class WinbackActionAdmin(HistoryModelAdmin[WinbackAction]):
    """Calls, messages and benefits, and what became of each."""

    view_capability = Capability.VIEW_CAMPAIGNS
    action_capabilities = {"work": Capability.WORK_ALERTS}
    list_display = ("who", "kind", "status_label", "about", "cost", "created_by", "created_at")
    list_filter = (
        ("status", MultipleChoicesDropdownFilter),
        ("kind", MultipleChoicesDropdownFilter),
    )
    list_select_related = ("alert__member", "alert__community", "broadcast", "created_by")
    list_fullwidth = True
    search_fields = ("alert__member__nickname", "alert__community__name", "benefit")
    fields = (
        ("who", "kind"),
        ("status", "why_not"),
        ("broadcast", "benefit"),
        ("cost", "created_by"),
        ("created_at", "done_at"),
        "note",
    )
    readonly_fields = (
        "who",
        "kind",
        "status",
        "why_not",
        "broadcast",
        "benefit",
        "cost",
        "created_by",
        "created_at",
        "done_at",
        "note",
    )
    ordering = ("-pk",)
    actions_row = ("complete", "cancel")
    actions_detail = ("complete", "cancel")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[WinbackAction]:
        related = ("alert__member", "alert__community", "broadcast", "created_by")
        return super().get_queryset(request).select_related(*related)

    def idle_buttons(self, row: WinbackAction) -> set[str]:
        if row.status != WinbackStatus.PLANNED:
            return {"complete", "cancel"}
        return {"complete"} if row.kind == WinbackKind.MESSAGE else set()

    @display(description=_("成员"), ordering="alert__member__nickname", header=True)
    def who(self, row: WinbackAction) -> list[str]:
        nickname = row.alert.member.nickname
        return [nickname, row.alert.community.name, nickname[:1]]

    @display(
        description=_("状态"),
        ordering="status",
        label={
            WinbackStatus.PLANNED: "info",
            WinbackStatus.DONE: "success",
            WinbackStatus.SUPPRESSED: "warning",
            WinbackStatus.FAILED: "danger",
        },
    )
    def status_label(self, row: WinbackAction) -> tuple[str, str]:
        return row.status, row.get_status_display()

    @display(description=_("内容"))
    def about(self, row: WinbackAction) -> str:
        name = row.broadcast.name if row.broadcast is not None else row.benefit or row.note
        return (
            "：".join(part for part in (name, winback_reason_words(row.reason)) if part) or NOTHING
        )

    @display(description=_("未执行原因"))
    def why_not(self, row: WinbackAction) -> str:
        return winback_reason_words(row.reason) or NOTHING

    @display(description=_("成本"), ordering="cost_amount")
    def cost(self, row: WinbackAction) -> SafeString | str:
        return in_yuan(row.cost_amount) if row.cost_amount else NOTHING

    @action(
        description=_("已执行"),
        icon="task_alt",
        permissions=["work"],
        dialog={**confirm(_("已经执行了？"), _("待办随之结束。")), "form_class": NoteDialog},
    )
    def complete(self, request: HttpRequest, form: NoteDialog, object_id: str) -> Any:
        note = form.cleaned_data["note"]
        done = gettext("已标记为执行。")
        return self.run_on_row(request, object_id, complete_winback, done=done, note=note)

    @action(
        description=_("取消"),
        icon="cancel",
        variant=ActionVariant.DANGER,
        permissions=["work"],
        dialog={**confirm(_("不再执行？"), _("待办随之结束。")), "form_class": NoteDialog},
    )
    def cancel(self, request: HttpRequest, form: NoteDialog, object_id: str) -> Any:
        note = form.cleaned_data["note"]
        done = gettext("已取消。")
        return self.run_on_row(request, object_id, cancel_winback, done=done, note=note)


@admin.register(WinbackPolicy)
class WinbackPolicyAdmin(EnterpriseModelAdmin[WinbackPolicy]):
    view_capability = Capability.VIEW_CAMPAIGNS
    add_capability = Capability.MANAGE_SEND_POLICIES
    change_capability = Capability.MANAGE_SEND_POLICIES
    delete_capability = Capability.MANAGE_SEND_POLICIES
    create_verb = create_winback_policy
    update_verb = edit_winback_policy
    list_display = ("scope", "threshold_percent", "top_percent", "holdout_percent", "cooldown_days")
    list_select_related = ("community",)
    ordering = ("community__name", "pk")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        what = gettext("还没有定过时，按新建页上的默认值；社群有自己的规则就按社群的。")
        return super().changelist_view(request, {**(extra_context or {}), "subtitle": what})

    def get_fields(self, request: HttpRequest, obj: WinbackPolicy | None = None) -> Any:
        rule = (("threshold_percent", "top_percent"), ("holdout_percent", "cooldown_days"))
        return ("community", *rule) if obj is None else ("scope", *rule)

    def get_readonly_fields(self, request: HttpRequest, obj: WinbackPolicy | None = None) -> Any:
        return () if obj is None else ("scope",)

    @display(description=_("范围"), ordering="community__name")
    def scope(self, policy: WinbackPolicy) -> str:
        return policy.community.name if policy.community is not None else gettext("全企业")

    def delete_model(self, request: HttpRequest, obj: WinbackPolicy) -> None:
        remove_winback_policy(obj.pk, actor=admin_user(request))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for policy in queryset:
            remove_winback_policy(policy.pk, actor=admin_user(request))
