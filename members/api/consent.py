from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from members.models import Consent, Member
from members.rules.standing import ConsentDecision, ConsentPurpose
from members.services.consenting import record_consent
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet

VIEW, MANAGE = Capability.VIEW_MEMBERS, Capability.MANAGE_MEMBERS


class ConsentSerializer(StrictModelSerializer[Consent]):
    member_nickname = serializers.CharField(source="member.nickname", read_only=True)

    class Meta:
        model = Consent
        fields = (
            "id",
            "member",
            "member_nickname",
            "purpose",
            "decision",
            "text_version",
            "source",
            "decided_at",
        )


class ConsentBodySerializer(StrictSerializer):
    member: Any = VisibleRelatedField(queryset=Member.objects.all())
    purpose = serializers.ChoiceField(ConsentPurpose.choices)
    decision = serializers.ChoiceField(ConsentDecision.choices)
    text_version = serializers.CharField(max_length=40)
    source = serializers.CharField(max_length=40)  # type: ignore[assignment]  # a field of the body


class ConsentFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    member = VisibleModelChoiceFilter(model=Member)
    purpose = filters.MultipleChoiceFilter(choices=ConsentPurpose.choices)
    decision = filters.MultipleChoiceFilter(choices=ConsentDecision.choices)

    class Meta:
        model = Consent
        fields: list[str] = []


class ConsentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Consent]):
    """授权：成员对每个用途说过的话，只增不改；每个用途以最近一次为准，没说过就是不同意。"""

    queryset = Consent.objects.none()
    serializer_class = ConsentSerializer
    filterset_class = ConsentFilter
    ordering = ("-id",)
    ordering_fields = ("id", "decided_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[Consent]:
        rows = Consent.objects.visible_to(acting_user(self.request))
        return rows.select_related("member").fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=ConsentBodySerializer, responses={201: ConsentSerializer})
    def create(self, request: Request) -> Response:
        """记下一次表态，以及当时看到的文本版本和来源。没有同意过的用途不能撤回。"""
        return self.run_create(record_consent, body=ConsentBodySerializer)
