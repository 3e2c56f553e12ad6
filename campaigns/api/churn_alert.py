"""The worklist of churn alerts over the API."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.alert_words import reasons_in_words
from campaigns.models import ChurnAlert
from campaigns.rules.status import AlertCause, AlertOutcome, AlertStatus, alert_may_become
from campaigns.services.churn_alerts import acknowledge_alert, dismiss_alert, start_intervening
from communities.models import Community
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.models import Staff
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VERBS = {
    "acknowledge": AlertStatus.ACKNOWLEDGED,
    "intervene": AlertStatus.INTERVENING,
    "dismiss": AlertStatus.DISMISSED,
}


class ChurnAlertSerializer(StrictModelSerializer[ChurnAlert]):
    community_name = serializers.CharField(source="community.name", read_only=True)
    member_nickname = serializers.CharField(source="member.nickname", read_only=True)
    assignee_name = serializers.CharField(source="assignee.name", read_only=True, default="")
    stake_amount = serializers.SerializerMethodField(
        help_text=_("不处理预计损失多少（分）：流失概率 × 成员价值。")
    )
    reasons_in_words = serializers.SerializerMethodField(help_text=_("给人看的原因，逐条。"))
    available_actions = serializers.SerializerMethodField(help_text=_("当前用户现在可以做的事。"))

    class Meta:
        model = ChurnAlert
        fields = (
            "id",
            "community",
            "community_name",
            "member",
            "member_nickname",
            "assignee",
            "assignee_name",
            "status",
            "outcome",
            "cause",
            "is_held_out",
            "probability",
            "value_amount",
            "value_basis",
            "stake_amount",
            "reasons",
            "reasons_in_words",
            "last_active_on",
            "model_version",
            "opened_on",
            "opened_at",
            "closed_at",
            "note",
            "available_actions",
        )

    def get_stake_amount(self, alert: ChurnAlert) -> int:
        return round(alert.probability * alert.value_amount)

    def get_reasons_in_words(self, alert: ChurnAlert) -> list[str]:
        return reasons_in_words(alert)

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(sorted(VERBS))))
    def get_available_actions(self, alert: ChurnAlert) -> list[str]:
        if alert.is_held_out or not self.context["request"].user.can(Capability.WORK_ALERTS):
            return []
        return [verb for verb, to in VERBS.items() if alert_may_become(alert.status, to)]


class DismissSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=300, help_text=_("为什么不跟进。"))


class ChurnAlertFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    status = filters.MultipleChoiceFilter(choices=AlertStatus.choices)
    outcome = filters.MultipleChoiceFilter(choices=AlertOutcome.choices)
    cause = filters.MultipleChoiceFilter(choices=AlertCause.choices)
    is_open = filters.BooleanFilter(field_name="closed_at", lookup_expr="isnull")
    community = VisibleModelChoiceFilter(model=Community)
    assignee = VisibleModelChoiceFilter(model=Staff)
    mine = filters.BooleanFilter(method="keep_mine", label=_("只看分给我的"))
    min_probability = filters.NumberFilter(
        field_name="probability", lookup_expr="gte", min_value=0, max_value=1
    )

    class Meta:
        model = ChurnAlert
        fields: list[str] = []

    def keep_mine(
        self, alerts: models.QuerySet[ChurnAlert], name: str, value: bool
    ) -> models.QuerySet[ChurnAlert]:
        mine = models.Q(assignee__isnull=False, assignee=self.request.user.staff_id)
        return alerts.filter(mine if value else ~mine)


class ChurnAlertViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[ChurnAlert]):
    """流失预警：谁可能沉默、为什么、谁跟进。默认按成员价值 × 流失概率排序。

    不干预的对照在有结果之前不出现在这里，也不能处理；它们的结果见 churn-quality。
    """

    queryset = ChurnAlert.objects.none()
    serializer_class = ChurnAlertSerializer
    filterset_class = ChurnAlertFilter
    ordering = ("-stake", "-probability", "-id")
    ordering_fields = ("stake", "probability", "value_amount", "opened_on", "id")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": Capability.VIEW_CAMPAIGNS,
        "retrieve": Capability.VIEW_CAMPAIGNS,
        "acknowledge": Capability.WORK_ALERTS,
        "intervene": Capability.WORK_ALERTS,
        "dismiss": Capability.WORK_ALERTS,
    }

    def get_queryset(self) -> models.QuerySet[ChurnAlert]:
        user = acting_user(self.request)
        if self.action in {"list", "retrieve"}:
            alerts = ChurnAlert.objects.visible_to(user)
        else:  # a verb says why it leaves one that is held out alone
            alerts = ChurnAlert.objects.within(user)
        related = alerts.with_stake().select_related("community", "member", "assignee")
        return related.fetch_mode(models.FETCH_RAISE)

    @command()
    def acknowledge(self, request: Request, pk: str) -> Response:
        """认领：预警归操作者跟进。"""
        return self.run_verb(acknowledge_alert)

    @command()
    def intervene(self, request: Request, pk: str) -> Response:
        """开始干预：已经在联系这位成员。"""
        return self.run_verb(start_intervening)

    @command(body=DismissSerializer)
    def dismiss(self, request: Request, pk: str) -> Response:
        """忽略：不跟进，关闭预警；28 天内不再提醒这位成员。"""
        return self.run_verb(dismiss_alert, body=DismissSerializer)
