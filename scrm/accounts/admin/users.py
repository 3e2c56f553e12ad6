from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
)

from scrm.accounts.admin_scope import EnterpriseForm, EnterpriseModelAdmin, admin_user, confirm
from scrm.accounts.models import ApiKey, User
from scrm.accounts.rules.roles import Capability, DataScope, Role
from scrm.accounts.services.api_keys import create_api_key, revoke_api_key
from scrm.accounts.services.users import (
    change_role,
    create_user_account,
    disable_user,
    edit_user,
    enable_user,
    set_password,
)

admin.site.unregister(Group)  # roles and capabilities take its place


def new_password_field(**options: Any) -> forms.CharField:
    widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=_("新密码"), strip=False, widget=widget, **options)


class NewUserForm(EnterpriseForm):
    password = new_password_field(
        required=False, help_text=_("留空则不能登录后台，只能使用 API 密钥。")
    )

    class Meta:
        model = User
        fields = ("username", "password", "email", "role", "data_scope", "staff")

    def clean_password(self) -> str | None:
        password = self.cleaned_data["password"] or None
        if password is not None:
            validate_password(password, self.instance)
        return password


class PasswordDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    password = new_password_field(help_text=_("至少 12 位。原有的登录会全部失效。"))

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        validate_password(password)
        return password


class RoleDialog(BaseDialogForm):  # type: ignore[misc]  # untyped upstream
    role = forms.ChoiceField(label=_("角色"), choices=Role.choices, widget=UnfoldAdminSelectWidget)
    data_scope = forms.ChoiceField(
        label=_("数据范围"), choices=DataScope.choices, widget=UnfoldAdminSelectWidget
    )

    def __init__(self, request: HttpRequest, object_id: str, **options: Any) -> None:
        """Starts from what the user has now, so that a careless click changes nothing."""
        now = User.objects.visible_to(admin_user(request)).values("role", "data_scope")
        initial = now.filter(pk=object_id).first() if object_id.isdecimal() else None
        super().__init__(request, object_id, initial=initial, **options)


@admin.register(User)
class UserAdmin(EnterpriseModelAdmin[User]):
    view_capability = Capability.VIEW_ACCOUNTS
    add_capability = Capability.MANAGE_ACCOUNTS
    change_capability = Capability.MANAGE_ACCOUNTS
    create_verb = create_user_account
    update_verb = edit_user
    list_display = ("username", "staff", "role_label", "data_scope", "is_active", "last_login")
    list_filter = ("role", "data_scope", "is_active")
    list_select_related = ("staff",)
    search_fields = ("username", "email", "staff__name")
    autocomplete_fields = ("staff",)
    fields = ("username", "email", "staff", "role", "data_scope", "is_active", "last_login")
    readonly_fields = ("username", "role", "data_scope", "is_active", "last_login")
    ordering = ("username", "pk")
    actions = ("disable_selected", "enable_selected")
    actions_detail = ("change_role", "reset_password", "disable", "enable")

    def idle_buttons(self, row: User) -> set[str]:
        return {"enable"} if row.is_active else {"disable"}

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return NewUserForm.Meta.fields if obj is None else super().get_fields(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return () if obj is None else super().get_readonly_fields(request, obj)

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            kwargs["form"] = NewUserForm
        return super().get_form(request, obj, change=change, **kwargs)

    @display(
        description=_("角色"),
        ordering="role",
        label={Role.ADMINISTRATOR: "danger", Role.OPERATOR: "info", Role.REVIEWER: "warning"},
    )
    def role_label(self, user: User) -> tuple[str, str]:
        return user.role, user.get_role_display()

    @admin.action(description=_("停用所选用户"), permissions=["change"])
    def disable_selected(self, request: HttpRequest, queryset: models.QuerySet[User]) -> None:
        self.run_on_rows(request, queryset, disable_user, done=gettext("已停用"))

    @admin.action(description=_("启用所选用户"), permissions=["change"])
    def enable_selected(self, request: HttpRequest, queryset: models.QuerySet[User]) -> None:
        self.run_on_rows(request, queryset, enable_user, done=gettext("已启用"))

    @action(
        description=_("修改角色"),
        icon="badge",
        permissions=["change"],
        dialog={**confirm(_("修改角色"), _("从下一个请求起生效。")), "form_class": RoleDialog},
    )
    def change_role(self, request: HttpRequest, form: RoleDialog, object_id: str) -> Any:
        return self.run_on_row(
            request,
            object_id,
            change_role,
            done=gettext("角色已修改。"),
            role=form.cleaned_data["role"],
            data_scope=form.cleaned_data["data_scope"],
        )

    @action(
        description=_("重设密码"),
        icon="password",
        permissions=["change"],
        dialog={**confirm(_("重设密码")), "form_class": PasswordDialog},
    )
    def reset_password(self, request: HttpRequest, form: PasswordDialog, object_id: str) -> Any:
        password = form.cleaned_data["password"]
        return self.run_on_row(
            request, object_id, set_password, done=gettext("密码已重设。"), password=password
        )

    @action(
        description=_("停用"),
        icon="block",
        variant=ActionVariant.DANGER,
        permissions=["change"],
        dialog=confirm(_("停用这个用户？"), _("立即退出登录，密钥会被吊销。")),
    )
    def disable(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, disable_user, done=gettext("用户已停用。"))

    @action(
        description=_("启用"),
        icon="check_circle",
        permissions=["change"],
        dialog=confirm(_("重新启用这个用户？"), _("吊销的密钥不会恢复。")),
    )
    def enable(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, enable_user, done=gettext("用户已启用。"))


class NewApiKeyForm(EnterpriseForm):
    scopes = forms.MultipleChoiceField(
        label=_("权限"),
        choices=Capability.choices,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=_("这把密钥可以使用的权限；不会超过使用者角色的权限。"),
    )

    class Meta:
        model = ApiKey
        fields = ("name", "user", "scopes", "expires_at")


@admin.register(ApiKey)
class ApiKeyAdmin(EnterpriseModelAdmin[ApiKey]):
    """A key is made and revoked, never edited."""

    form = NewApiKeyForm
    view_capability = Capability.VIEW_ACCOUNTS
    add_capability = Capability.MANAGE_ACCOUNTS
    action_capabilities = {"revoke": Capability.MANAGE_ACCOUNTS}
    list_display = ("name", "prefix", "user", "state", "expires_at", "last_used_at")
    list_filter = ("user",)
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__username")
    autocomplete_fields = ("user",)
    fields = (
        "name",
        "prefix",
        "user",
        "scope_names",
        "state_words",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
    )
    readonly_fields = (
        "prefix",
        "scope_names",
        "state_words",
        "created_at",
        "revoked_at",
        "last_used_at",
    )
    ordering = ("-pk",)
    actions = ("revoke_selected",)
    actions_detail = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return NewApiKeyForm.Meta.fields if obj is None else super().get_fields(request, obj)

    def idle_buttons(self, row: ApiKey) -> set[str]:
        return set() if row.revoked_at is None else {"revoke"}

    @display(
        description=_("状态"), label={"usable": "success", "revoked": "danger", "over": "warning"}
    )
    def state(self, key: ApiKey) -> tuple[str, str]:
        if key.revoked_at is not None:
            return "revoked", gettext("已吊销")
        if key.expires_at is not None and key.expires_at <= timezone.now():
            return "over", gettext("已到期")
        return "usable", gettext("可用")

    @display(description=_("状态"))
    def state_words(self, key: ApiKey) -> str:
        return str(self.state(key)[1])

    @display(description=_("权限"))
    def scope_names(self, key: ApiKey) -> str:
        labels = dict(Capability.choices)
        return "、".join(str(labels.get(scope, scope)) for scope in key.scopes)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        key, plain = create_api_key(actor=admin_user(request), **form.cleaned_data)
        obj.pk = key.pk
        obj._state.adding = False
        obj.refresh_from_db()
        request.plain_key = plain  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The only page that ever shows the key; it is put in no session, cookie or cache."""
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("密钥已创建"),
            "opts": self.opts,
            "key": obj,
            "plain": request.plain_key,  # type: ignore[attr-defined]
        }
        template = "admin/accounts/apikey/created.html"
        headers = {"Cache-Control": "no-store"}
        return TemplateResponse(request, template, context, headers=headers)

    @admin.action(description=_("吊销所选密钥"), permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: models.QuerySet[ApiKey]) -> None:
        self.run_on_rows(request, queryset, revoke_api_key, done=gettext("已吊销"))

    @action(
        description=_("吊销"),
        icon="key_off",
        variant=ActionVariant.DANGER,
        permissions=["revoke"],
        dialog=confirm(_("吊销这把密钥？"), _("使用它的程序会立即失去访问权限，不能恢复。")),
    )
    def revoke(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, revoke_api_key, done=gettext("密钥已吊销。"))
