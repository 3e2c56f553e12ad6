from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.models import LexiconTerm
from campaigns.rules.guarding import Severity, TermKind
from campaigns.rules.lexicon import Finding
from campaigns.selectors.lexicon import lexicon_of
from campaigns.services.lexicon_terms import (
    MAX_EXCEPTION,
    MAX_EXCEPTIONS,
    create_term,
    edit_term,
)
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, MANAGE = Capability.VIEW_CAMPAIGNS, Capability.MANAGE_SEND_POLICIES


class LexiconTermSerializer(StrictModelSerializer[LexiconTerm]):
    class Meta:
        model = LexiconTerm
        fields = (
            "id",
            "term",
            "kind",
            "severity",
            "article",
            "suggestion",
            "exceptions",
            "is_active",
            "changed_by",
            "changed_at",
        )
        read_only_fields = fields


class LexiconTermBodySerializer(StrictSerializer):
    term = serializers.CharField(max_length=40)
    kind = serializers.ChoiceField(choices=TermKind.choices, required=False)
    severity = serializers.ChoiceField(choices=Severity.choices)
    article = serializers.CharField(max_length=120, required=False, allow_blank=True)
    suggestion = serializers.CharField(max_length=120, required=False, allow_blank=True)
    exceptions: Any = serializers.ListField(
        child=serializers.CharField(max_length=MAX_EXCEPTION),
        max_length=MAX_EXCEPTIONS,
        required=False,
        help_text=_("词在这些说法里时不算，例如“第一次”。"),
    )
    is_active = serializers.BooleanField(
        required=False, help_text=_("关掉后不再检查；自带词库里的同一个词也不再检查。")
    )


class FindingSerializer(serializers.Serializer[Finding]):
    """文中的一处用语；start、end 是它在原文中的位置。"""

    term = serializers.CharField(source="term.text")
    quote = serializers.CharField(help_text=_("原文的写法。"))
    start = serializers.IntegerField()
    end = serializers.IntegerField()
    kind = serializers.ChoiceField(source="term.kind", choices=TermKind.choices)
    severity = serializers.ChoiceField(source="term.severity", choices=Severity.choices)
    article = serializers.CharField(source="term.article", help_text=_("法律依据。"))
    suggestion = serializers.CharField(source="term.suggestion")


class JudgedTextSerializer(serializers.Serializer[Any]):
    version = serializers.CharField(help_text=_("词库版本；批准时记录的就是它。"))
    findings = FindingSerializer(many=True)


class TextToJudgeSerializer(StrictSerializer):
    body = serializers.CharField(max_length=4000, allow_blank=True)


class LexiconTermFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    kind = filters.MultipleChoiceFilter(choices=TermKind.choices)
    severity = filters.MultipleChoiceFilter(choices=Severity.choices)
    is_active = filters.BooleanFilter()
    term = filters.CharFilter(lookup_expr="icontains")

    class Meta:
        model = LexiconTerm
        fields: list[str] = []


class LexiconTermViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[LexiconTerm]
):
    """企业自己的违禁词，以及对自带词库的改判。自带的广告法词库随版本发布，不在这里列出。"""

    queryset = LexiconTerm.objects.none()
    serializer_class = LexiconTermSerializer
    filterset_class = LexiconTermFilter
    ordering = ("-id",)
    ordering_fields = ("id", "term", "changed_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "check_text": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[LexiconTerm]:
        rows = LexiconTerm.objects.visible_to(acting_user(self.request))
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=LexiconTermBodySerializer, responses={201: LexiconTermSerializer})
    def create(self, request: Request) -> Response:
        """新增一个词；和自带的词相同时，以这里的判断为准。"""
        return self.run_create(create_term, body=LexiconTermBodySerializer)

    @extend_schema(request=LexiconTermBodySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """修改或停用；只影响之后的检查。"""
        return self.run_verb(edit_term, body=LexiconTermBodySerializer, partial=True)

    @command(
        body=TextToJudgeSerializer, answer=JudgedTextSerializer, detail=False, url_path="check"
    )
    def check_text(self, request: Request) -> Response:
        """检查一段文字：命中的词、法律依据和建议；不保存任何数据。"""
        lexicon = lexicon_of(acting_user(request).enterprise_id)
        found = lexicon.find(self.body(TextToJudgeSerializer)["body"])
        answer = {"version": lexicon.version, "findings": found}
        return Response(JudgedTextSerializer(answer).data)
