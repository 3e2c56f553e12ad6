from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from communities.admin.criterion_field import CriterionFormField
from communities.admin.criterion_form import CriterionForm
from communities.models import ClassificationRule
from communities.services.classification_rules import (
    ask_to_apply_rule,
    edit_classification_rule,
    remove_classification_rule,
    set_classification_rule,
)
from scrm.accounts.admin_scope import EnterpriseModelAdmin, admin_user, confirm
from scrm.accounts.rules.roles import Capability
from scrm.shared.criterion_words import describe_stored


class ClassificationRuleForm(CriterionForm):
    criterion = CriterionFormField(
        label=_("条件"), required=True, empty=_("请写明条件，否则人人都有这个分类。")
    )

    class Meta:
        model = ClassificationRule
        fields = ("value", "criterion", "is_active")


@admin.register(ClassificationRule)
class ClassificationRuleAdmin(EnterpriseModelAdmin[ClassificationRule]):
    form = ClassificationRuleForm
    view_capability = Capability.VIEW_COMMUNITIES
    add_capability = Capability.MANAGE_COMMUNITIES
    change_capability = Capability.MANAGE_COMMUNITIES
    create_verb = set_classification_rule
    update_verb = edit_classification_rule
    list_display = ("value", "axis_name", "condition", "is_active", "applied_at")
    list_filter = ("is_active", "value__axis")
    list_select_related = ("value__axis",)
    search_fields = ("value__name", "value__code", "value__axis__name")
    autocomplete_fields = ("value",)
    fields = ("value", "criterion", "is_active", ("applied_at", "created_by", "created_at"))
    readonly_fields = ("applied_at", "created_by", "created_at")
    ordering = ("value__axis", "pk")
    actions_detail = ("apply", "remove")

    def get_fields(self, request: HttpRequest, obj: ClassificationRule | None = None) -> Any:
        return self.fields if obj else ("value", "criterion", "is_active")

    def get_readonly_fields(
        self, request: HttpRequest, obj: ClassificationRule | None = None
    ) -> Any:
        return ("value", *self.readonly_fields) if obj else ()

    def idle_buttons(self, row: ClassificationRule) -> set[str]:
        return set() if row.is_active else {"apply"}

    @display(description=_("维度"), ordering="value__axis__name")
    def axis_name(self, rule: ClassificationRule) -> str:
        return rule.value.axis.name

    @display(description=_("条件"))
    def condition(self, rule: ClassificationRule) -> str:
        return describe_stored(rule.criterion)

    @action(
        description=_("立即执行"),
        icon="play_arrow",
        permissions=["change"],
        dialog=confirm(
            _("现在就执行这条规则？"),
            _("不等到夜里。满足条件的成员归入这个分类，不再满足的收回；在后台进行。"),
        ),
    )
    def apply(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        done = gettext("已开始执行，完成后“上次执行”会更新。")
        return self.run_on_row(request, object_id, ask_to_apply_rule, done=done)

    @action(
        description=_("删除规则"),
        icon="delete",
        variant=ActionVariant.DANGER,
        permissions=["change"],
        dialog=confirm(
            _("删除这条规则？"), _("只由它给出的分类会在后台收回。要保留分类，请改为停用。")
        ),
    )
    def remove(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        rule = self.row(request, object_id)
        value = remove_classification_rule(rule.pk, actor=admin_user(request))
        self.message_user(request, gettext("“%(value)s”的规则已删除。") % {"value": value})
        return self.back_to(request)
