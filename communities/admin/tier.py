from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from communities.admin.criterion_field import CriterionFormField, refuse_unknown
from communities.models import Tier
from communities.services.tiering import (
    create_tier,
    delete_tier,
    edit_tier,
)
from scrm.accounts.admin_scope import (
    EnterpriseForm,
    EnterpriseModelAdmin,
    admin_user,
    confirm,
)
from scrm.accounts.rules.roles import Capability
from scrm.shared.criteria import Criterion
from scrm.shared.criterion_words import describe_stored
from scrm.shared.errors import DomainError


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
    def take_out(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        tier = self.row(request, object_id)
        try:
            delete_tier(tier.pk, actor=admin_user(request))
        except DomainError as refusal:
            self.message_user(request, refusal.message, "error")
            return self.back_to(request, tier)
        self.message_user(request, gettext("已删除“%(tier)s”。") % {"tier": tier.name}, "success")
        return self.back_to(request)
