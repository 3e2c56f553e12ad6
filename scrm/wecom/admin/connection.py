from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from scrm.accounts.admin_scope import EnterpriseForm, EnterpriseModelAdmin, admin_user, confirm
from scrm.accounts.rules.roles import Capability
from scrm.shared.errors import DomainError
from scrm.wecom.admin.connection_facts import facts_of
from scrm.wecom.admin.setup import SetupPages, keep_checks, kept_checks
from scrm.wecom.admin.words import CONNECTION_COLOURS, moment
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ConnectionState, Platform, SyncScope
from scrm.wecom.selectors import has_history
from scrm.wecom.services.connection_checks import check_connection, is_well
from scrm.wecom.services.connections import (
    connect_company,
    edit_connection,
    pause_connection,
    resume_connection,
    rotate_callback_secrets,
)
from scrm.wecom.services.syncing import start_sync

IDS = ("corp_id", "agent_id")


class ConnectionForm(EnterpriseForm):
    """What the platform's console shows, and where it shows it."""

    name = forms.CharField(
        label=_("名称"),
        required=False,
        max_length=120,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("给同事看的，例如“总部企业微信”；可以不填。"),
    )
    platform = forms.ChoiceField(
        label=_("平台"),
        choices=Platform.choices,
        initial=Platform.OFFICIAL,
        widget=UnfoldAdminSelectWidget,
        help_text=_("模拟企业微信用于试用和演练，不会碰到真实企业。"),
    )
    corp_id = forms.CharField(
        label=_("企业 ID"),
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_("企业微信后台 → 我的企业 → 企业信息，最下方，形如 ww1a2b3c4d5e6f7a8b。"),
    )
    agent_id = forms.IntegerField(
        label=_("AgentId"),
        min_value=1,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("企业微信后台 → 应用管理 → 自建 → 本应用，页面上方，形如 1000002。"),
    )
    app_secret = forms.CharField(
        label=_("Secret"),
        max_length=256,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text=_("同一页面的 Secret，点“查看”后在手机上获取。加密保存，从不显示。"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.fields.pop("platform", None)
            if "app_secret" in self.fields:
                self.fields["app_secret"].required = False
                self.fields["app_secret"].help_text = _("加密保存，从不显示；留空表示不改。")
            self.initial.setdefault("name", self.instance.account.name)
        elif not settings.WECOM_SIMULATOR_URL:
            self.fields.pop("platform", None)

    def clean_app_secret(self) -> str:
        return str(self.cleaned_data["app_secret"] or self.instance.app_secret)

    def clean(self) -> dict[str, Any] | None:
        """A refusal about one value is shown beside it."""
        field = getattr(self.refusal, "field", "")
        if self.refusal is None or field not in self.fields:
            return super().clean()
        self.add_error(field, ValidationError(self.refusal.message, self.refusal.code))
        return forms.ModelForm.clean(self)


class SyncDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    scope = forms.ChoiceField(
        label=_("读什么"),
        choices=SyncScope.choices,
        initial=SyncScope.FULL,
        widget=UnfoldAdminSelectWidget,
    )


@admin.register(WecomConnection)
class WecomConnectionAdmin(SetupPages, EnterpriseModelAdmin[WecomConnection]):
    form = ConnectionForm
    view_capability = Capability.VIEW_ACCOUNTS
    add_capability = Capability.MANAGE_ACCOUNTS
    change_capability = Capability.MANAGE_ACCOUNTS
    create_verb = connect_company
    update_verb = edit_connection
    list_display = ("title", "state_label", "platform", "verified", "since")
    list_filter = (("state", MultipleChoicesDropdownFilter),)
    list_select_related = ("account",)
    search_fields = ("corp_id", "account__name")
    ordering = ("pk",)
    actions_detail = ("try_out", "sync_now", "rotate", "resume", "pause")

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["shared/facts.css", "wecom/setup.css"]}
        js: ClassVar[list[str]] = ["shared/copy.js"]

    # --- the list ---

    @display(description=_("名称"), ordering="account__name", header=True)
    def title(self, connection: WecomConnection) -> list[str]:
        name = connection.account.name
        return [name, str(connection), name[:1]]

    @display(description=_("状态"), ordering="state", label=CONNECTION_COLOURS)
    def state_label(self, connection: WecomConnection) -> tuple[str, str]:
        return connection.state, connection.get_state_display()

    @display(description=_("回调已验证"), boolean=True)
    def verified(self, connection: WecomConnection) -> bool:
        return connection.callback_verified_at is not None

    @display(description=_("状态自"), ordering="state_since")
    def since(self, connection: WecomConnection) -> str:
        return moment(connection.state_since)

    # --- the page ---

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[WecomConnection]:
        return super().get_queryset(request).select_related("account", "enterprise")

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "<path:object_id>/setup/",
                self.admin_site.admin_view(self.setup_view),
                name="wecom_wecomconnection_setup",
            ),
            path(
                "<path:object_id>/setup/verified/",
                self.admin_site.admin_view(self.verified_view),
                name="wecom_wecomconnection_verified",
            ),
        ]
        return [*own, *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: WecomConnection | None = None) -> Any:
        if obj is None:
            platform = ("platform",) if settings.WECOM_SIMULATOR_URL else ()
            return (*platform, *IDS, "app_secret", "name")
        if not self.has_change_permission(request, obj):
            return ("platform", *IDS)
        return ("name", "platform", *IDS, "app_secret")

    def get_readonly_fields(self, request: HttpRequest, obj: WecomConnection | None = None) -> Any:
        """What was read belongs to the company it came from."""
        if obj is None:
            return ()
        return ("platform", *IDS) if has_history(obj) else ("platform",)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        context = {
            **(extra_context or {}),
            "show_save_and_add_another": False,
            "show_save_and_continue": object_id is not None,
        }
        connection = self.get_object(request, object_id) if object_id else None
        if connection is not None:
            context |= {
                "facts": facts_of(connection, now=timezone.now()),
                "checks": kept_checks(request, connection),
                "may_manage": self.has_change_permission(request, connection),
                **self.links_of(connection),
            }
        return super().changeform_view(request, object_id, form_url, context)

    def response_add(
        self, request: HttpRequest, obj: WecomConnection, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to the next step."""
        return self.to_setup(obj)

    # --- buttons ---

    def idle_buttons(self, row: WecomConnection) -> set[str]:
        if row.state == ConnectionState.PAUSED:
            return {"try_out", "sync_now", "rotate", "pause"}
        return {"resume"}

    @action(
        description=_("测试连接"),
        icon="network_check",
        variant=ActionVariant.PRIMARY,
        permissions=["change"],
        dialog=confirm(
            _("测试连接？"),
            _("向企业微信发几个只读请求，几秒后显示哪里有问题、怎样解决。"),
            submit=_("测试"),
        ),
    )
    def try_out(self, request: HttpRequest, form: object, object_id: str) -> Any:
        connection = self.row(request, object_id)
        self.run_checks(request, connection)
        return self.back_to(request, connection)

    def run_checks(self, request: HttpRequest, connection: WecomConnection) -> None:
        try:
            checks = check_connection(connection.pk, actor=admin_user(request))
        except DomainError as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
            return
        keep_checks(request, connection, checks)
        if is_well(checks):
            self.message_user(request, gettext("测试通过。"), messages.SUCCESS)
        else:
            told = gettext("测试发现问题，请按下面的提示处理。")
            self.message_user(request, told, messages.ERROR)

    @action(
        description=_("立即同步"),
        icon="sync",
        permissions=["change"],
        dialog={
            **confirm(
                _("立即同步？"),
                _("从企业微信读取现状，只补记，不删除任何历史。"),
                submit=_("开始"),
            ),
            "form_class": SyncDialog,
        },
    )
    def sync_now(self, request: HttpRequest, form: SyncDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            start_sync,
            done=gettext("同步已开始，进度见“同步”。"),
            scope=form.cleaned_data["scope"],
        )

    @action(
        description=_("换新回调密钥"),
        icon="key",
        permissions=["change"],
        dialog=confirm(
            _("换新 Token 和 EncodingAESKey？"),
            _("新值在连接向导里显示。企业微信保存新值之前，旧值仍然有效，不会丢回调。"),
            submit=_("换新"),
        ),
    )
    def rotate(self, request: HttpRequest, form: object, object_id: str) -> Any:
        connection = self.row(request, object_id)
        self.run_on_row(request, object_id, rotate_callback_secrets, done=gettext("已换新。"))
        address = reverse("admin:wecom_wecomconnection_setup", args=[connection.pk])
        return self.sent_to(request, f"{address}?step=2")

    @action(
        description=_("停用"),
        icon="pause",
        variant=ActionVariant.DANGER,
        permissions=["change"],
        dialog=confirm(
            _("停用这个连接？"),
            _("不再调用企业微信，也不再接收回调；停用期间的变化要靠启用后的同步补记。"),
        ),
    )
    def pause(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, pause_connection, done=gettext("已停用。"))

    @action(
        description=_("启用"),
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
        permissions=["change"],
        dialog=confirm(_("启用这个连接？"), _("启用后请同步一次，补记停用期间的变化。")),
    )
    def resume(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, resume_connection, done=gettext("已启用。"))
