from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from campaigns.models import FrequencyCap, SendPolicy
from campaigns.services.caps import create_cap, edit_cap, remove_cap
from campaigns.services.send_policies import create_send_policy, edit_send_policy
from scrm.accounts.admin_scope import EnterpriseModelAdmin, admin_user
from scrm.accounts.rules.roles import Capability


@admin.register(SendPolicy)
class SendPolicyAdmin(EnterpriseModelAdmin[SendPolicy]):
    view_capability = Capability.VIEW_CAMPAIGNS
    add_capability = Capability.MANAGE_SEND_POLICIES
    change_capability = Capability.MANAGE_SEND_POLICIES
    create_verb = create_send_policy
    update_verb = edit_send_policy
    list_display = (
        "name",
        "consent_rule",
        "quiet_hours",
        "advert_block_percent",
        "full_blast_percent",
        "breaker_is_on",
        "changed_at",
    )
    fieldsets = (
        (
            None,
            {
                "fields": ("consent_rule", ("quiet_from", "quiet_until")),
                "description": _(
                    "立即生效，正在发送的也一样。服务类消息不受免打扰、频次、广告占比的限制，"
                    "但从不发给拒绝、撤回同意或在黑名单里的人。"
                ),
            },
        ),
        (
            _("广告"),
            {
                "fields": (
                    ("advert_warn_percent", "advert_block_percent"),
                    ("advert_window_days", "advert_minimum_posts"),
                )
            },
        ),
        (_("全员群发"), {"fields": ("full_blast_percent",)}),
        (
            _("退群熔断"),
            {
                "fields": (
                    ("breaker_is_on", "breaker_minimum_leaves"),
                    ("breaker_day_permille", "breaker_three_days_permille"),
                )
            },
        ),
        (_("报告"), {"fields": ("margin_percent",)}),
    )
    readonly_fields = ("whose",)
    ordering = ("pk",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One per enterprise."""
        if not super().has_add_permission(request):
            return False
        return not SendPolicy.objects.visible_to(admin_user(request)).exists()

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        what = gettext("还没有定过时，按新建页上的默认值执行。")
        return super().changelist_view(request, {**(extra_context or {}), "subtitle": what})

    def get_fieldsets(self, request: HttpRequest, obj: SendPolicy | None = None) -> Any:
        return self.fieldsets if obj is None else ((None, {"fields": ("whose",)}), *self.fieldsets)

    @display(description=_("企业"))
    def whose(self, policy: SendPolicy) -> str:
        return policy.enterprise.name

    @display(description=_("规则"))
    def name(self, policy: SendPolicy) -> str:
        return gettext("本企业的发送规则")

    @display(description=_("免打扰"))
    def quiet_hours(self, policy: SendPolicy) -> str:
        if policy.quiet_from is None or policy.quiet_until is None:
            return gettext("没有")
        return f"{policy.quiet_from:%H:%M}–{policy.quiet_until:%H:%M}"


@admin.register(FrequencyCap)
class FrequencyCapAdmin(EnterpriseModelAdmin[FrequencyCap]):
    view_capability = Capability.VIEW_CAMPAIGNS
    add_capability = Capability.MANAGE_SEND_POLICIES
    change_capability = Capability.MANAGE_SEND_POLICIES
    delete_capability = Capability.MANAGE_SEND_POLICIES
    create_verb = create_cap
    update_verb = edit_cap
    list_display = ("target", "what", "window", "most")
    list_filter = ("target", "window")
    ordering = ("target", "category", "pk")

    def get_fields(self, request: HttpRequest, obj: FrequencyCap | None = None) -> Any:
        rule = (("target", "category"), ("window", "limit"))
        return rule if obj is None else ("whose", *rule)

    def get_readonly_fields(self, request: HttpRequest, obj: FrequencyCap | None = None) -> Any:
        return () if obj is None else ("whose", "target", "category", "window")

    @display(description=_("企业"))
    def whose(self, cap: FrequencyCap) -> str:
        return cap.enterprise.name

    def delete_model(self, request: HttpRequest, obj: FrequencyCap) -> None:
        remove_cap(obj.pk, actor=admin_user(request))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for cap in queryset:
            remove_cap(cap.pk, actor=admin_user(request))

    @display(description=_("内容类别"), ordering="category")
    def what(self, cap: FrequencyCap) -> str:
        return cap.get_category_display() if cap.category else gettext("服务类以外的合计")

    @display(description=_("最多几条"), ordering="limit")
    def most(self, cap: FrequencyCap) -> str:
        return str(cap.limit) if cap.limit else gettext("不限")
