from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from communities.admin.criterion_field import CriterionFormField, refuse_unknown
from communities.models import Tier, TierScheme
from communities.services.tiering import (
    create_tier,
    create_tier_scheme,
    delete_tier,
    edit_tier,
    rename_tier_scheme,
)
from scrm.accounts.admin_scope import (
    EnterpriseForm,
    EnterpriseModelAdmin,
    EnterpriseTabularInline,
    admin_user,
    confirm,
)
from scrm.accounts.rules.roles import Capability
from scrm.shared.criteria import Criterion
from scrm.shared.criterion_words import describe_stored
from scrm.shared.errors import DomainError


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
    fields = ("name", "code")
    ordering = ("pk",)
    inlines = (Ranks,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[TierScheme]:
        return super().get_queryset(request).annotate(tier_total=models.Count("tiers"))

    def get_inlines(self, request: HttpRequest, obj: TierScheme | None) -> Any:
        return self.inlines if obj else ()

    def get_readonly_fields(self, request: HttpRequest, obj: TierScheme | None = None) -> Any:
        return () if obj is None else ("code",)

    def save_model(self, request: HttpRequest, obj: TierScheme, form: Any, change: bool) -> None:
        if form.changed_data:
            super().save_model(request, obj, form, change)

    @display(description=_("层级数"), ordering="tier_total")
    def tier_count(self, scheme: Any) -> int:
        return int(scheme.tier_total)


class TierForm(EnterpriseForm):
    criterion = CriterionFormField(empty=_("没有门槛：只有最低一级可以这样。"))

    class Meta:
        model = Tier
        fields = ("scheme", "rank", "name", "criterion", "keep_factor", "grace_days")

    def clean_criterion(self) -> Criterion:
        criterion: Criterion = self.cleaned_data["criterion"]
        refuse_unknown(criterion, enterprise_id=self.user.enterprise_id)
        return criterion

    def _post_clean(self) -> None:
        """The row is checked with the criterion as its column keeps it; the verb takes it read."""
        criterion = self.cleaned_data.get("criterion")
        if isinstance(criterion, Criterion):
            self.cleaned_data["criterion"] = criterion.as_json()
        super()._post_clean()  # type: ignore[misc]
        if isinstance(criterion, Criterion):
            self.cleaned_data["criterion"] = criterion


@admin.register(Tier)
class TierAdmin(EnterpriseModelAdmin[Tier]):
    form = TierForm
    view_capability = Capability.VIEW_COMMUNITIES
    add_capability = Capability.MANAGE_COMMUNITIES
    change_capability = Capability.MANAGE_COMMUNITIES
    create_verb = create_tier
    update_verb = edit_tier
    list_display = ("name", "scheme", "rank", "threshold", "keep_factor", "grace_days")
    list_filter = ("scheme",)
    list_select_related = ("scheme",)
    search_fields = ("name", "scheme__name")
    autocomplete_fields = ("scheme",)
    fields = ("scheme", ("rank", "name"), "criterion", ("keep_factor", "grace_days"))
    ordering = ("scheme", "rank")
    actions_detail = ("take_out",)

    def get_readonly_fields(self, request: HttpRequest, obj: Tier | None = None) -> Any:
        return () if obj is None else ("scheme",)

    @display(description=_("门槛"))
    def threshold(self, tier: Tier) -> str:
        return describe_stored(tier.criterion)

    @action(
        description=_("删除"),
        icon="delete",
        permissions=["change"],
        dialog=confirm(_("删除这一级"), _("只有从未有人定到、也没有社群要求的一级可以删除。")),
    )
    def take_out(self, request: HttpRequest, object_id: str) -> HttpResponse:
        tier = self.row(request, object_id)
        try:
            delete_tier(tier.pk, actor=admin_user(request))
        except DomainError as refusal:
            self.message_user(request, refusal.message, "error")
            return self.back_to(request, tier)
        self.message_user(request, gettext("已删除“%(tier)s”。") % {"tier": tier.name}, "success")
        return self.back_to(request)
