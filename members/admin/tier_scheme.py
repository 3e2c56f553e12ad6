"""Tier schemes as operators see them: here, because who holds which tier is known by members."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from communities.models import Tier, TierScheme
from communities.services.tiering import create_tier_scheme, rename_tier_scheme
from members.selectors.tiers import last_run, tier_distribution
from members.services.tiering_runs import request_tiering
from scrm.accounts.admin_scope import (
    EnterpriseForm,
    EnterpriseModelAdmin,
    EnterpriseTabularInline,
    confirm,
)
from scrm.accounts.rules.roles import Capability
from scrm.shared.criterion_words import describe_stored


class Ranks(EnterpriseTabularInline[Tier, TierScheme]):
    model = Tier
    view_capability = Capability.VIEW_COMMUNITIES
    fields = ("rank", "name", "threshold", "keep_factor", "grace_days")
    readonly_fields = fields
    ordering = ("rank",)
    show_change_link = True

    @display(description=_("门槛"))
    def threshold(self, tier: Tier) -> str:
        return describe_stored(tier.criterion)


class TierSchemeForm(EnterpriseForm):
    code = forms.SlugField(
        label=_("代码"),
        max_length=40,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("条件里用它指这个方案，之后不能改；留空时自动编号。"),
    )

    class Meta:
        model = TierScheme
        fields = ("name", "code")


@admin.register(TierScheme)
class TierSchemeAdmin(EnterpriseModelAdmin[TierScheme]):
    form = TierSchemeForm
    view_capability = Capability.VIEW_COMMUNITIES
    add_capability = Capability.MANAGE_COMMUNITIES
    change_capability = Capability.MANAGE_COMMUNITIES
    create_verb = create_tier_scheme
    update_verb = rename_tier_scheme
    list_display = ("name", "code", "tier_count")
    search_fields = ("name", "code")
    ordering = ("pk",)
    inlines = (Ranks,)
    actions_detail = ("retier",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[TierScheme]:
        return super().get_queryset(request).annotate(tier_total=models.Count("tiers"))

    def get_inlines(self, request: HttpRequest, obj: TierScheme | None) -> Any:
        return self.inlines if obj else ()

    def get_fields(self, request: HttpRequest, obj: TierScheme | None = None) -> Any:
        return ("name", "code") if obj is None else (("name", "code"), "distribution")

    def get_readonly_fields(self, request: HttpRequest, obj: TierScheme | None = None) -> Any:
        return () if obj is None else ("code", "distribution")

    def save_model(self, request: HttpRequest, obj: TierScheme, form: Any, change: bool) -> None:
        if form.changed_data:
            super().save_model(request, obj, form, change)

    @display(description=_("层级数"), ordering="tier_total")
    def tier_count(self, scheme: Any) -> int:
        return int(scheme.tier_total)

    @display(description=_("成员分布"))
    def distribution(self, scheme: TierScheme) -> SafeString:
        found = tier_distribution(scheme, now=timezone.now())
        words = {
            "tiers": found.tiers,
            "promoted": found.promoted,
            "demoted": found.demoted,
            "run": last_run(scheme),
        }
        return render_to_string("members/tier_distribution.html", words)

    @action(
        description=_("立即核算"),
        icon="calculate",
        permissions=["change"],
        dialog=confirm(
            _("立即核算"), _("按现在的门槛核对所有成员：够格的立即升级，低于保级线的开始宽限。")
        ),
    )
    def retier(self, request: HttpRequest, form: object, object_id: str) -> Any:
        done = gettext("已开始核算，稍后刷新本页看结果。")
        return self.run_on_row(request, object_id, request_tiering, done=done)
