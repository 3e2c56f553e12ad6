from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from scrm.accounts.admin_scope import EnterpriseForm, EnterpriseModelAdmin, confirm
from scrm.accounts.rules.roles import Capability
from scrm.wecom.models import ChannelAccount, ChannelKind
from scrm.wecom.services.channel_accounts import (
    activate_channel_account,
    channel_kinds,
    create_channel_account,
    deactivate_channel_account,
    edit_channel_account,
)

REHEARSED = ("delay_ms", "failure_percent")
LIMIT = ("rate_per_second", "rate_burst")


class ChannelAccountForm(EnterpriseForm):
    kind = forms.ChoiceField(label=_("类型"), choices=channel_kinds, widget=UnfoldAdminSelectWidget)
    secret = forms.CharField(
        label=_("签名密钥"),
        required=False,
        max_length=500,
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text=_("加密保存，从不显示；留空表示不改。"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "rate_burst" in self.fields:
            self.fields["rate_burst"].required = False
        if self.instance.pk is not None:
            self.fields.pop("kind")  # rows already sent refer to it

    def clean_secret(self) -> str:
        return str(self.cleaned_data["secret"] or self.instance.secret)


@admin.register(ChannelAccount)
class ChannelAccountAdmin(EnterpriseModelAdmin[ChannelAccount]):
    form = ChannelAccountForm
    view_capability = Capability.VIEW_ACCOUNTS
    add_capability = Capability.MANAGE_ACCOUNTS
    change_capability = Capability.MANAGE_ACCOUNTS
    create_verb = create_channel_account
    update_verb = edit_channel_account
    list_display = ("name", "kind_name", "is_active", "endpoint", "has_secret", "created_at")
    list_filter = ("is_active",)
    search_fields = ("name",)
    ordering = ("name", "pk")
    actions = ("activate_selected", "deactivate_selected")
    actions_detail = ("activate", "deactivate")

    readonly_fields = ("kind_name",)

    def idle_buttons(self, row: ChannelAccount) -> set[str]:
        return {"activate"} if row.is_active else {"deactivate"}

    def get_fields(self, request: HttpRequest, obj: ChannelAccount | None = None) -> Any:
        """The kind of an account that exists is a fact; its secret is shown to nobody."""
        kind = "kind" if obj is None else "kind_name"
        secret = ("secret",) if self.has_change_permission(request, obj) else ()
        return ("name", kind, "endpoint", *secret, *REHEARSED, *LIMIT)

    @display(description=_("类型"), ordering="kind")
    def kind_name(self, account: ChannelAccount) -> str:
        return str(dict(ChannelKind.choices).get(account.kind, account.kind))

    @display(description=_("已设密钥"), boolean=True)
    def has_secret(self, account: ChannelAccount) -> bool:
        return bool(account.secret)

    @admin.action(description=_("启用所选渠道"), permissions=["change"])
    def activate_selected(
        self, request: HttpRequest, queryset: models.QuerySet[ChannelAccount]
    ) -> None:
        self.run_on_rows(request, queryset, activate_channel_account, done=gettext("已启用"))

    @admin.action(description=_("停用所选渠道"), permissions=["change"])
    def deactivate_selected(
        self, request: HttpRequest, queryset: models.QuerySet[ChannelAccount]
    ) -> None:
        self.run_on_rows(request, queryset, deactivate_channel_account, done=gettext("已停用"))

    @action(
        description=_("启用"),
        icon="play_arrow",
        permissions=["change"],
        dialog=confirm(_("启用这个渠道？")),
    )
    def activate(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(
            request, object_id, activate_channel_account, done=gettext("渠道已启用。")
        )

    @action(
        description=_("停用"),
        icon="pause",
        variant=ActionVariant.DANGER,
        permissions=["change"],
        dialog=confirm(_("停用这个渠道？"), _("停用后不再通过它发送。")),
    )
    def deactivate(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(
            request, object_id, deactivate_channel_account, done=gettext("渠道已停用。")
        )
