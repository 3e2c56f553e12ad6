from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.models import FrequencyCap, SendPolicy
from campaigns.rules.guarding import CapWindow, ConsentRule
from campaigns.rules.status import BroadcastTarget
from campaigns.selectors.guards import policy_of
from campaigns.services.caps import create_cap, edit_cap, remove_cap
from campaigns.services.send_policies import FIELDS, create_send_policy, edit_send_policy
from communities.rules.kinds import ContentCategory
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet

VIEW, MANAGE = Capability.VIEW_CAMPAIGNS, Capability.MANAGE_SEND_POLICIES
MOST = 32_767
MOST_DAYS = 366
CAPPED = [choice for choice in ContentCategory.choices if choice[0] != ContentCategory.SERVICE]


class SendPolicySerializer(StrictModelSerializer[SendPolicy]):
    class Meta:
        model = SendPolicy
        fields = ("id", *FIELDS, "changed_by", "changed_at")


class PolicyInForceSerializer(StrictModelSerializer[SendPolicy]):
    id = serializers.IntegerField(allow_null=True, help_text=_("null 表示从没定过，都是默认值。"))

    class Meta:
        model = SendPolicy
        fields = ("id", *FIELDS)


def _percentage(least: int = 0) -> Any:
    return serializers.IntegerField(min_value=least, max_value=100, required=False)


def _number(least: int = 0, most: int = MOST) -> Any:
    return serializers.IntegerField(min_value=least, max_value=most, required=False)


class SendPolicyBodySerializer(StrictSerializer):
    consent_rule = serializers.ChoiceField(choices=ConsentRule.choices, required=False)
    quiet_from = serializers.TimeField(
        required=False, allow_null=True, help_text=_("企业时区的钟点；可以跨过午夜。")
    )
    quiet_until = serializers.TimeField(required=False, allow_null=True)
    advert_warn_percent = _percentage()
    advert_block_percent = _percentage()
    advert_window_days = _number(1, MOST_DAYS)
    advert_minimum_posts = _number(1)
    full_blast_percent = _percentage(1)
    breaker_is_on = serializers.BooleanField(required=False)
    breaker_day_permille = _number(most=1000)
    breaker_three_days_permille = _number(most=1000)
    breaker_minimum_leaves = _number(1)
    margin_percent = _percentage()


class SendPolicyViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[SendPolicy]):
    """发送规则：一家企业一条。没有定过的，按默认值执行，见 in-force。"""

    queryset = SendPolicy.objects.none()
    serializer_class = SendPolicySerializer
    ordering = ("id",)
    ordering_fields = ("id",)
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "in_force": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[SendPolicy]:
        rows = SendPolicy.objects.visible_to(acting_user(self.request))
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=SendPolicyBodySerializer, responses={201: SendPolicySerializer})
    def create(self, request: Request) -> Response:
        """第一次定下发送规则；没写的用默认值。已经有了的请修改。"""
        return self.run_create(create_send_policy, body=SendPolicyBodySerializer)

    @extend_schema(request=SendPolicyBodySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """修改发送规则，立即生效，正在发送的也一样。"""
        return self.run_verb(edit_send_policy, body=SendPolicyBodySerializer, partial=True)

    @extend_schema(responses=PolicyInForceSerializer)
    @action(detail=False, url_path="in-force", pagination_class=None)
    def in_force(self, request: Request) -> Response:
        """现在按什么规则执行。从没定过的，id 是 null，其余是默认值。"""
        policy = policy_of(acting_user(request).enterprise_id)
        return Response(PolicyInForceSerializer(policy).data)


class FrequencyCapSerializer(StrictModelSerializer[FrequencyCap]):
    class Meta:
        model = FrequencyCap
        fields = ("id", "target", "category", "window", "limit")


class EditCapSerializer(StrictSerializer):
    limit = serializers.IntegerField(
        min_value=0, max_value=MOST, help_text=_("最多几条；0 表示不限。")
    )


class CapBodySerializer(EditCapSerializer):
    target = serializers.ChoiceField(choices=BroadcastTarget.choices)
    category = serializers.ChoiceField(
        choices=CAPPED,
        required=False,
        allow_blank=True,
        help_text=_("空表示服务类以外的全部合计。"),
    )
    window = serializers.ChoiceField(choices=CapWindow.choices)


class FrequencyCapFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    target = filters.MultipleChoiceFilter(choices=BroadcastTarget.choices)
    category = filters.MultipleChoiceFilter(choices=CAPPED)
    window = filters.MultipleChoiceFilter(choices=CapWindow.choices)

    class Meta:
        model = FrequencyCap
        fields: list[str] = []


class FrequencyCapViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[FrequencyCap]
):
    """频次上限：一位成员（或一个群）一天、7 天、30 天内最多收到几条。服务类不计。"""

    queryset = FrequencyCap.objects.none()
    serializer_class = FrequencyCapSerializer
    filterset_class = FrequencyCapFilter
    ordering = ("id",)
    ordering_fields = ("id",)
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
        "destroy": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[FrequencyCap]:
        rows = FrequencyCap.objects.visible_to(acting_user(self.request))
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=CapBodySerializer, responses={201: FrequencyCapSerializer})
    def create(self, request: Request) -> Response:
        """新增一条上限，立即生效。同一对象、类别和时间只有一条。"""
        return self.run_create(create_cap, body=CapBodySerializer)

    @extend_schema(request=EditCapSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """改成另一个数，立即生效，正在发送的也一样。"""
        return self.run_verb(edit_cap, body=EditCapSerializer, partial=False)

    def destroy(self, request: Request, pk: str) -> Response:
        """删除一条上限；操作记录里仍看得到它。"""
        remove_cap(self.get_object().pk, actor=acting_user(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
