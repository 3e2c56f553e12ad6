from __future__ import annotations

from typing import Any, ClassVar

from django.core.files.uploadedfile import UploadedFile
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from members.api.batch import SourceField
from members.models import ImportRejection, ImportRun
from members.models.import_run import ImportKind
from members.rules.imports import ImportState, progress_of, state_of
from members.services.importing.files import Newcomers
from members.services.imports import LAYOUTS, MAX_BYTES, OF_MEMBERS, hand_in
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import FileContentField, encoded_size
from scrm.shared.api.parsers import FormParser, StrictJSONParser, plain_values
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet

VIEW, INGEST = Capability.VIEW_MEMBERS, Capability.INGEST_ACTIVITY
KINDS = [(value, label) for value, label in ImportKind.choices if value in LAYOUTS]


class ImportRunSerializer(StrictModelSerializer[ImportRun]):
    state = serializers.SerializerMethodField(
        help_text=_("waiting、running、finished，或因 failure 所写的原因而 failed。")
    )
    progress = serializers.SerializerMethodField(
        help_text=_("读了文件的几分之几，0 到 1；不知道有多长时为空。")
    )

    class Meta:
        model = ImportRun
        fields = (
            "id",
            "kind",
            "file_name",
            "file_digest",
            "format",
            "source",
            "encoding",
            "state",
            "progress",
            "failure",
            "line_count",
            "accepted_count",
            "updated_count",
            "duplicate_count",
            "rejected_count",
            "requested_by",
            "started_at",
            "finished_at",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(ImportState.choices))
    def get_state(self, run: ImportRun) -> str:
        return state_of(
            is_finished=run.finished_at is not None,
            has_failed=bool(run.failure),
            has_begun=bool(run.byte_position),
        ).value

    @extend_schema_field(serializers.FloatField(allow_null=True))
    def get_progress(self, run: ImportRun) -> float | None:
        return progress_of(
            run.byte_position, run.total_size, is_finished=run.finished_at is not None
        )


class ImportRejectionSerializer(StrictModelSerializer[ImportRejection]):
    class Meta:
        model = ImportRejection
        fields = ("position", "line", "code", "detail", "raw")
        read_only_fields = fields


class ImportUploadSerializer(StrictSerializer):
    """A file of activity, purchases or memberships, as a form or as JSON with Base64."""

    kind = serializers.ChoiceField(choices=KINDS)
    source = SourceField(  # type: ignore[assignment]  # a field, not the base's option
        max_length=40, help_text=_("数据来自哪个系统；去重按来源分开。")
    )
    file_name = serializers.CharField(
        max_length=255, required=False, help_text=_("表单上传时取文件自己的名字。")
    )
    content: Any = FileContentField(
        largest=MAX_BYTES,
        help_text=_("CSV、Excel（.xlsx）或 JSON 行（.jsonl），最大 20 MB；JSON 请求里用 Base64。"),
    )
    create_members = serializers.BooleanField(
        default=False, help_text=_("把不认识的客户编号建为新成员；需要管理成员的权限。")
    )
    consent_text = serializers.CharField(
        max_length=40,
        default="",
        allow_blank=True,
        help_text=_("新成员同意画像时看到的告知文本版本；不填则不记授权，他们不会被评分。"),
    )
    again = serializers.BooleanField(
        default=False, help_text=_("已经导入完的同一个文件，再从头读一遍。")
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["consent_text"] and not attrs["create_members"]:
            message = gettext("只用于新建的成员，请同时设 create_members。")
            raise serializers.ValidationError({"consent_text": message}, "needs_create_members")
        return attrs


class ImportRunFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    kind = filters.MultipleChoiceFilter(choices=ImportKind.choices)
    source = filters.CharFilter()
    is_running = filters.BooleanFilter(field_name="finished_at", lookup_expr="isnull")

    class Meta:
        model = ImportRun
        fields: list[str] = []


class ImportRunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[ImportRun]):
    """导入：每个文件读到哪里，收下、重复、拒绝各多少。上传后由后台逐批读入。"""

    queryset = ImportRun.objects.none()
    serializer_class = ImportRunSerializer
    filterset_class = ImportRunFilter
    parser_classes = (StrictJSONParser, FormParser)
    max_body_bytes = encoded_size(MAX_BYTES) + 4096
    ordering: ClassVar[tuple[str, ...]] = ("-id",)
    ordering_fields = ("id",)
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": INGEST,
        "rejections": INGEST,
    }

    def get_queryset(self) -> models.QuerySet[ImportRun]:
        runs = ImportRun.objects.visible_to(acting_user(self.request))
        return runs.fetch_mode(models.FETCH_RAISE)

    @extend_schema(
        request={
            "multipart/form-data": ImportUploadSerializer,
            "application/json": ImportUploadSerializer,
        },
        responses={202: ImportRunSerializer},
    )
    def create(self, request: Request) -> Response:
        """上传一个活跃、订单或在群历史文件。回答 202 和它的地址，进度在那里看。

        在群历史（memberships）还需要管理成员的权限。同一来源的同一个文件只有一次导入：再传一遍回答原来的那一次；失败过的从头再读。
        """
        values = self._uploaded(request)
        user = acting_user(request)
        is_of_members = values["create_members"] or values["kind"] in OF_MEMBERS
        if is_of_members and not user.can(Capability.MANAGE_MEMBERS):
            raise PermissionDenied(gettext("新建成员和导入在群历史需要管理成员的权限。"))
        run = hand_in(
            user.enterprise,
            kind=values["kind"],
            source=values["source"],
            content=values["content"].getvalue(),
            file_name=values.get("file_name") or "upload.csv",
            actor=user,
            newcomers=Newcomers(values["create_members"], values["consent_text"]),
            again=values["again"],
        )
        answer = self.answer(run, code=status.HTTP_202_ACCEPTED)
        answer["Location"] = request.build_absolute_uri(
            reverse("import-run-detail", kwargs={"pk": run.pk})
        )
        return answer

    def _uploaded(self, request: Request) -> dict[str, Any]:
        given = plain_values(request.data)
        content = given.get("content") if isinstance(given, dict) else None
        if isinstance(content, UploadedFile):
            given.setdefault("file_name", (content.name or "upload.csv")[-255:])
        reader = ImportUploadSerializer(data=given, context=self.get_serializer_context())
        reader.is_valid(raise_exception=True)
        return dict(reader.validated_data)

    @extend_schema(responses=ImportRejectionSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], filterset_class=None, ordering=("position",))
    def rejections(self, request: Request, pk: str) -> Response:
        """没有收下的条目，按在文件里的次序；最多保存一万条。只看得到全部数据或自己上传的。"""
        run = self.get_object()
        rows: Any = ImportRejection.objects.visible_to(acting_user(request)).filter(run=run)
        page: Any = self.paginate_queryset(rows)
        return self.get_paginated_response(ImportRejectionSerializer(page, many=True).data)
