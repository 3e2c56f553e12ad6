from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import action, display

from communities.models import PolicyReceiver, TransferPolicy
from communities.services.transfers.policies import (
    create_policy,
    deactivate_policy,
    edit_policy,
    reactivate_policy,
)
from scrm.accounts.admin_scope import (
    EnterpriseModelAdmin,
    EnterpriseTabularInline,
    admin_user,
    confirm,
)
from scrm.accounts.rules.roles import Capability

UNLIMITED = "—"


class Receivers(EnterpriseTabularInline[PolicyReceiver, TransferPolicy]):
    """Whom the policy names; saved together with it by one verb."""

    model = PolicyReceiver
    view_capability = Capability.VIEW_COMMUNITIES
    add_capability = Capability.TRANSFER_OWNERSHIP
    change_capability = Capability.TRANSFER_OWNERSHIP
    delete_capability = Capability.TRANSFER_OWNERSHIP
    verbose_name = _("接手人选")
    verbose_name_plural = _("接手人选（用于“固定人选”和“按分类指定”）")
    fields = ("staff", "value")
    autocomplete_fields = ("staff", "value")
    ordering = ("pk",)
    show_title = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[PolicyReceiver]:
        rows: models.QuerySet[PolicyReceiver] = super().get_queryset(request)
        return rows.select_related("staff", "value")


@admin.register(TransferPolicy)
class TransferPolicyAdmin(EnterpriseModelAdmin[TransferPolicy]):
    view_capability = Capability.VIEW_COMMUNITIES
    add_capability = Capability.TRANSFER_OWNERSHIP
    change_capability = Capability.TRANSFER_OWNERSHIP
    list_display = (
        "name",
        "subject",
        "applies_to",
        "how",
        "limit",
        "needs_approval",
        "is_active",
    )
    list_filter = (
        ("subject", MultipleChoicesDropdownFilter),
        ("selection", MultipleChoicesDropdownFilter),
        "is_active",
    )
    list_select_related = ("tier", "value")
    search_fields = ("name",)
    autocomplete_fields = ("tier", "value")
    fieldsets = (
        (None, {"fields": (("name", "subject"),)}),
        (
            _("用于哪些社群"),
            {
                "fields": (("kind", "tier", "value"),),
                "description": _(
                    "几条规则都适用时用最具体的一条：条件多的优先；一样多时，分类先于层级，"
                    "层级先于类型，再看谁建得早。客户的规则不按社群区分。"
                ),
            },
        ),
        (
            _("给谁"),
            {"fields": (("selection", "fallback"), ("maximum", "needs_approval"))},
        ),
    )
    inlines = (Receivers,)
    ordering = ("-is_active", "subject", "pk")
    actions_detail = ("deactivate", "reactivate")

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["communities/transfers.css"]}

    def get_readonly_fields(self, request: HttpRequest, obj: TransferPolicy | None = None) -> Any:
        return () if obj is None else ("subject",)

    def idle_buttons(self, row: TransferPolicy) -> set[str]:
        return {"reactivate"} if row.is_active else {"deactivate"}

    # --- saving: the policy and whom it names are one thing ---

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """With whom it names, below."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        policy, actor = form.instance, admin_user(request)
        values = dict(form.cleaned_data)
        if change:
            values = {name: values[name] for name in form.changed_data}
        if not change or any(formset.has_changed() for formset in formsets):
            values["receivers"] = [named for formset in formsets for named in named_in(formset)]
        if change:
            edit_policy(policy.pk, actor=actor, **values)
        else:
            policy.pk = create_policy(actor=actor, **values).pk
            policy._state.adding = False
        for formset in formsets:
            formset.save(commit=False)  # tells Django's own diary what changed
        policy.refresh_from_db()

    # --- words ---

    @display(description=_("用于"))
    def applies_to(self, policy: TransferPolicy) -> str:
        parts = [
            str(policy.get_kind_display()) if policy.kind else "",
            gettext("%(tier)s 以上") % {"tier": policy.tier.name} if policy.tier else "",
            policy.value.name if policy.value else "",
        ]
        return " · ".join(part for part in parts if part) or gettext("全部")

    @display(description=_("接手人"))
    def how(self, policy: TransferPolicy) -> str:
        found = str(policy.get_selection_display())
        if not policy.fallback:
            return found
        facts = {"first": found, "then": policy.get_fallback_display()}
        return gettext("%(first)s；找不到时 %(then)s") % facts

    @display(description=_("每人上限"), ordering="maximum")
    def limit(self, policy: TransferPolicy) -> str:
        return UNLIMITED if policy.maximum is None else str(policy.maximum)

    @action(
        description=_("停用"),
        icon="pause",
        permissions=["change"],
        dialog=confirm(_("停用这条规则？"), _("已经做好的方案不变；以后的转让改用别的规则。")),
    )
    def deactivate(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, deactivate_policy, done=gettext("已停用。"))

    @action(
        description=_("启用"),
        icon="play_arrow",
        permissions=["change"],
        dialog=confirm(_("启用这条规则？"), _("同样的适用范围只能有一条启用的规则。")),
    )
    def reactivate(self, request: HttpRequest, form: object, object_id: str) -> Any:
        return self.run_on_row(request, object_id, reactivate_policy, done=gettext("已启用。"))


def named_in(formset: Any) -> list[tuple[Any, Any]]:
    return [
        (row["staff"], row.get("value"))
        for row in formset.cleaned_data
        if row and not row.get("DELETE")
    ]
