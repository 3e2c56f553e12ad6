from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.api.broadcast_bodies import AttachmentSerializer
from campaigns.api.lexicon_term import FindingSerializer
from campaigns.models import Content, ContentVersion
from campaigns.rules.attachments import MAX_ATTACHMENTS, texts_of
from campaigns.rules.contents import AuthorKind, ContentStatus
from campaigns.selectors.library import Result, results_of
from campaigns.selectors.texts import Text, judged
from campaigns.services import contents
from communities.rules.kinds import ContentCategory
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, COMPOSE = Capability.VIEW_CAMPAIGNS, Capability.COMPOSE_CAMPAIGNS
PUBLISH = Capability.APPROVE_CAMPAIGNS


class ContentSerializer(StrictModelSerializer[Content]):
    newest_version = serializers.IntegerField(
        read_only=True, allow_null=True, help_text=_("最新版本号；还没写为 null。")
    )
    published_version = serializers.IntegerField(
        read_only=True, allow_null=True, help_text=_("最新已发布的版本的编号（id），可用于群发。")
    )

    class Meta:
        model = Content
        fields = (
            "id",
            "title",
            "category",
            "author_kind",
            "language",
            "status",
            "status_reason",
            "brief",
            "learnt",
            "author",
            "created_at",
            "newest_version",
            "published_version",
        )
        read_only_fields = fields


class ResultSerializer(serializers.Serializer[Result]):
    """用这一版发出的群发合计；人按每次执行各算一次，金额单位分。"""

    run_count = serializers.IntegerField()
    final_count = serializers.IntegerField(help_text=_("其中已定稿的报告。"))
    people_reached = serializers.IntegerField()
    clicked = serializers.IntegerField()
    interacted = serializers.IntegerField()
    ordered = serializers.IntegerField()
    interaction_rate = serializers.FloatField(allow_null=True)
    leaves = serializers.IntegerField(help_text=_("72 小时内退出。"))
    usual_leaves = serializers.FloatField(help_text=_("照平时也会退出的。"))
    cost_amount = serializers.IntegerField()
    value_lost_amount = serializers.IntegerField()
    net_amount = serializers.IntegerField(
        allow_null=True, help_text=_("增量毛利减成本和流失价值；没有对照组就是 null。")
    )


class ContentVersionSerializer(StrictModelSerializer[ContentVersion]):
    result = serializers.SerializerMethodField(help_text=_("发出后的结果；没发过为 null。"))
    findings = serializers.SerializerMethodField(help_text=_("广告法用语检查，按现在的词库。"))

    class Meta:
        model = ContentVersion
        fields = (
            "id",
            "number",
            "body",
            "attachments",
            "written_by",
            "written_at",
            "published_by",
            "published_at",
            "result",
            "findings",
        )
        read_only_fields = fields

    @extend_schema_field(ResultSerializer(allow_null=True))
    def get_result(self, version: ContentVersion) -> Any:
        found = self.context["results"].get(version.pk)
        return None if found is None else ResultSerializer(found).data

    @extend_schema_field(FindingSerializer(many=True))
    def get_findings(self, version: ContentVersion) -> Any:
        words = [version.body, *texts_of(version.attachments)]
        texts = [Text("body", "", "\n".join(words))]
        found = judged(texts, enterprise_id=acting_user(self.context["request"]).enterprise_id)
        findings: Any = [one.finding for one in found]
        return FindingSerializer(findings, many=True).data


class ContentBodySerializer(StrictSerializer):
    title = serializers.CharField(max_length=120)
    category = serializers.ChoiceField(choices=ContentCategory.choices)
    author_kind = serializers.ChoiceField(choices=AuthorKind.choices, required=False)
    language = serializers.CharField(max_length=20, required=False)
    brief = serializers.CharField(max_length=2000, required=False, allow_blank=True)


class VersionBodySerializer(StrictSerializer):
    body = serializers.CharField(max_length=4000)
    attachments: Any = AttachmentSerializer(  # type: ignore[call-arg]  # many=True
        many=True, required=False, max_length=MAX_ATTACHMENTS
    )


class ContentReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=300)


class RetireContentSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class LearntSerializer(StrictSerializer):
    learnt = serializers.CharField(max_length=2000, help_text=_("学到什么；下一版按它改。"))


class ContentFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    status = filters.MultipleChoiceFilter(choices=ContentStatus.choices)
    category = filters.MultipleChoiceFilter(choices=ContentCategory.choices)
    author_kind = filters.MultipleChoiceFilter(choices=AuthorKind.choices)
    title = filters.CharFilter(lookup_expr="icontains")

    class Meta:
        model = Content
        fields: list[str] = []


class ContentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Content]):
    """内容库：选题 → 撰写 → 审核 → 发布 → 反馈 → 优化，再写下一版。版本写下就不变。"""

    queryset = Content.objects.none()
    serializer_class = ContentSerializer
    filterset_class = ContentFilter
    ordering = ("-id",)
    ordering_fields = ("id", "title", "created_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "versions": VIEW,
        "create": COMPOSE,
        "partial_update": COMPOSE,
        "write_version": COMPOSE,
        "submit": COMPOSE,
        "return_to_drafting": PUBLISH,
        "publish": PUBLISH,
        "collect_feedback": COMPOSE,
        "optimise": COMPOSE,
        "retire": COMPOSE,
    }

    def get_queryset(self) -> models.QuerySet[Content]:
        return with_versions(Content.objects.visible_to(acting_user(self.request))).fetch_mode(
            models.FETCH_RAISE
        )

    @extend_schema(request=ContentBodySerializer, responses={201: ContentSerializer})
    def create(self, request: Request) -> Response:
        """记一个选题。"""
        return self.run_create(contents.create_content, body=ContentBodySerializer)

    @extend_schema(request=ContentBodySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """改选题、类别和要点；正文另写新版本。"""
        return self.run_verb(contents.edit_content, body=ContentBodySerializer, partial=True)

    @extend_schema(responses=ContentVersionSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def versions(self, request: Request, pk: str) -> Response:
        """所有版本，最新的在前，带发出后的结果和用语检查。"""
        rows = list(self.get_object().versions.order_by("-number"))
        return Response(self.shown(rows, many=True))

    @extend_schema(request=VersionBodySerializer, responses={201: ContentVersionSerializer})
    @versions.mapping.post
    def write_version(self, request: Request, pk: str) -> Response:
        """写一个新版本；选题和已优化的内容由此开始撰写，审核中的要先退回。"""
        version = contents.write_version(
            self.get_object().pk, actor=acting_user(request), **self.body(VersionBodySerializer)
        )
        return Response(self.shown(version), status=status.HTTP_201_CREATED)

    def shown(self, versions: Any, *, many: bool = False) -> Any:
        ids = [row.pk for row in versions] if many else [versions.pk]
        context = {**self.get_serializer_context(), "results": results_of(ids)}
        return ContentVersionSerializer(versions, many=many, context=context).data

    @command()
    def submit(self, request: Request, pk: str) -> Response:
        """提交最新版本给同事审核。"""
        return self.run_verb(contents.submit_content)

    @command(body=ContentReasonSerializer, url_path="return")
    def return_to_drafting(self, request: Request, pk: str) -> Response:
        """退回修改，写明原因。"""
        return self.run_verb(contents.return_content, body=ContentReasonSerializer)

    @command()
    def publish(self, request: Request, pk: str) -> Response:
        """发布最新版本；撰写人不能发布自己写的。"""
        return self.run_verb(contents.publish_content)

    @command(url_path="collect-feedback")
    def collect_feedback(self, request: Request, pk: str) -> Response:
        """开始收集反馈；用它发的第一份报告定稿时也会自动开始。"""
        return self.run_verb(contents.collect_feedback)

    @command(body=LearntSerializer)
    def optimise(self, request: Request, pk: str) -> Response:
        """写下从结果学到什么；之后可以写下一版。"""
        return self.run_verb(contents.optimise_content, body=LearntSerializer)

    @command(body=RetireContentSerializer)
    def retire(self, request: Request, pk: str) -> Response:
        """停用，不可恢复；发过的记录都在。"""
        return self.run_verb(contents.retire_content, body=RetireContentSerializer)


def with_versions(rows: models.QuerySet[Content]) -> models.QuerySet[Content]:
    """Adds ``newest_version`` (a number) and ``published_version`` (an id)."""
    versions = ContentVersion.objects.filter(content=models.OuterRef("pk")).order_by("-number")
    published = versions.filter(published_at__isnull=False)
    return rows.annotate(
        newest_version=models.Subquery(versions.values("number")[:1]),
        published_version=models.Subquery(published.values("pk")[:1]),
    )
