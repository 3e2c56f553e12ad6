from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from communities.api.fields import CriterionField
from communities.api.serializers import DescribedCriterion
from communities.models import ClassificationAxis, ClassificationRule, ClassificationValue
from communities.services import classification_rules
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, MANAGE = Capability.VIEW_COMMUNITIES, Capability.MANAGE_COMMUNITIES


class ClassificationRuleSerializer(DescribedCriterion, StrictModelSerializer[ClassificationRule]):
    axis_name = serializers.CharField(source="value.axis.name", read_only=True)
    value_name = serializers.CharField(source="value.name", read_only=True)

    class Meta:
        model = ClassificationRule
        fields = (
            "id",
            "axis_name",
            "value",
            "value_name",
            "criterion",
            "criterion_text",
            "is_active",
            "applied_at",
            "created_by",
            "created_at",
        )


class EditRuleSerializer(StrictSerializer):
    criterion: Any = CriterionField(help_text=_("不能为空，也不能以同一维度的分类为条件。"))
    is_active = serializers.BooleanField(required=False)


class RuleBodySerializer(EditRuleSerializer):
    value: Any = VisibleRelatedField(queryset=ClassificationValue.objects.select_related("axis"))


class ClassificationRuleFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    axis = VisibleModelChoiceFilter(model=ClassificationAxis, field_name="value__axis")
    value = VisibleModelChoiceFilter(model=ClassificationValue)
    is_active = filters.BooleanFilter()

    class Meta:
        model = ClassificationRule
        fields: list[str] = []


class ClassificationRuleViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[ClassificationRule]
):
    """分类规则：满足条件的成员自动归入一个分类值，不再满足时收回；只收回规则自己给出的。"""

    queryset = ClassificationRule.objects.none()
    serializer_class = ClassificationRuleSerializer
    filterset_class = ClassificationRuleFilter
    ordering = ("id",)
    ordering_fields = ("id", "created_at", "applied_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
        "destroy": MANAGE,
        "apply": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[ClassificationRule]:
        rows = ClassificationRule.objects.visible_to(acting_user(self.request))
        return rows.select_related("value__axis").fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=RuleBodySerializer, responses={201: ClassificationRuleSerializer})
    def create(self, request: Request) -> Response:
        """一个分类值一条规则。保存后在后台执行，之后每晚执行一次。"""
        return self.run_create(
            classification_rules.set_classification_rule, body=RuleBodySerializer
        )

    @extend_schema(request=EditRuleSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """改条件，或停用、启用。停用期间规则给出的分类保持不变。"""
        return self.run_verb(
            classification_rules.edit_classification_rule, body=EditRuleSerializer, partial=True
        )

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str) -> Response:
        """删除规则，并在后台收回只由它给出的分类。"""
        rule = self.get_object()
        classification_rules.remove_classification_rule(rule.pk, actor=acting_user(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @command()
    def apply(self, request: Request, pk: str) -> Response:
        """现在就执行，不等到夜里；applied_at 变新就是执行完了。停用的规则不执行。"""
        return self.run_verb(classification_rules.ask_to_apply_rule)
