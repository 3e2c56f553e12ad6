"""Join ways: routes, states and the QR code. Figures are served by members, which knows joins."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from communities.models import ClassificationValue, Community, GroupChat, JoinRoute, JoinWay
from communities.rules.join_ways import MAX_WEIGHT
from communities.rules.qr_codes import DEFAULT_SIZE, LEAST_SIZE, MOST_SIZE, as_png, as_svg
from communities.rules.status import JoinWayState
from communities.services import join_ways
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter, refuse_unknown
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, MANAGE = Capability.VIEW_COMMUNITIES, Capability.MANAGE_COMMUNITIES
MOST_ROUTES = 200
KEPT_SECONDS = 3600  # browsers may keep a QR code so long: it changes only with the public address


class JoinRouteSerializer(StrictModelSerializer[JoinRoute]):
    chat_name = serializers.CharField(source="chat.name", read_only=True)
    region_name = serializers.CharField(source="region.name", read_only=True, default="")
    member_count = serializers.IntegerField(source="chat.member_count", read_only=True)
    capacity = serializers.IntegerField(source="chat.capacity", read_only=True)

    class Meta:
        model = JoinRoute
        fields = (
            "chat", "chat_name", "weight", "region", "region_name", "member_count", "capacity",
        )  # fmt: skip


class JoinWaySerializer(StrictModelSerializer[JoinWay]):
    community_name = serializers.CharField(source="community.name", read_only=True)
    link = serializers.CharField(read_only=True, help_text=_("印在海报上的短链，二维码里也是它。"))
    routes = JoinRouteSerializer(
        many=True, read_only=True, help_text=_("空表示通往社群的所有客户群。")
    )
    available_actions = serializers.SerializerMethodField(
        help_text=_("当前用户现在可以做的事：edit、routes、pause、resume、close。")
    )

    class Meta:
        model = JoinWay
        fields = (
            "id",
            "code",
            "link",
            "name",
            "source",
            "community",
            "community_name",
            "state",
            "routes",
            "available_actions",
            "created_by",
            "created_at",
        )

    def get_available_actions(self, way: JoinWay) -> list[str]:
        if not self.context["request"].user.can(MANAGE) or way.state == JoinWayState.CLOSED:
            return []
        turn = "resume" if way.state == JoinWayState.PAUSED else "pause"
        return ["edit", "routes", turn, "close"]


class RouteBodySerializer(StrictSerializer):
    chat: Any = VisibleRelatedField(queryset=GroupChat.objects.all())
    weight = serializers.IntegerField(
        min_value=0,
        max_value=MAX_WEIGHT,
        required=False,
        help_text=_("默认 1；0 表示只在其他群都满时使用。"),
    )
    region: Any = VisibleRelatedField(
        queryset=ClassificationValue.objects.all(),
        required=False,
        allow_null=True,
        help_text=_("链接带 ?region=代码 时优先进这个地区的群。"),
    )


class RoutesBodySerializer(StrictSerializer):
    routes = RouteBodySerializer(many=True, max_length=MOST_ROUTES)  # type: ignore[call-arg]  # many=True


class EditJoinWaySerializer(StrictSerializer):
    name = serializers.CharField(max_length=120)
    source: Any = serializers.SlugField(
        max_length=40, help_text=_("统计按它分组，例如 poster-shanghai。")
    )


class JoinWayBodySerializer(EditJoinWaySerializer):
    community: Any = VisibleRelatedField(queryset=Community.objects.all())
    routes = RouteBodySerializer(many=True, required=False, max_length=MOST_ROUTES)  # type: ignore[call-arg]  # many=True


class JoinWayFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    community = VisibleModelChoiceFilter(model=Community)
    state = filters.MultipleChoiceFilter(choices=JoinWayState.choices)
    source = filters.CharFilter()
    code = filters.CharFilter()
    name = filters.CharFilter(lookup_expr="icontains")

    class Meta:
        model = JoinWay
        fields: list[str] = []


class JoinWayViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[JoinWay]):
    """群活码：印出去就不变的短链和二维码，扫码的人被带到有空位的客户群。"""

    queryset = JoinWay.objects.none()
    serializer_class = JoinWaySerializer
    filterset_class = JoinWayFilter
    ordering = ("-id",)
    ordering_fields = ("id", "name", "created_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
        "routes": MANAGE,
        "pause": MANAGE,
        "resume": MANAGE,
        "close": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[JoinWay]:
        routes = JoinRoute.objects.select_related("chat", "region").order_by("pk")
        return (
            JoinWay.objects.visible_to(acting_user(self.request))
            .select_related("community")
            .prefetch_related(models.Prefetch("routes", routes))
            .fetch_mode(models.FETCH_RAISE)
        )

    @extend_schema(request=JoinWayBodySerializer, responses={201: JoinWaySerializer})
    def create(self, request: Request) -> Response:
        """新建群活码；短码由系统给出，以后不变。"""
        return self.run_create(join_ways.create_join_way, body=JoinWayBodySerializer)

    @extend_schema(request=EditJoinWaySerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """修改名称或来源。短码和社群不能改：它们已经印出去了。"""
        return self.run_verb(join_ways.edit_join_way, body=EditJoinWaySerializer, partial=True)

    @command(body=RoutesBodySerializer)
    def routes(self, request: Request, pk: str) -> Response:
        """整体替换分流的客户群；空列表表示通往社群的所有客户群。"""
        return self.run_verb(join_ways.set_routes, body=RoutesBodySerializer)

    @command()
    def pause(self, request: Request, pk: str) -> Response:
        """暂停：扫码的人会看到暂时不能入群。"""
        return self.run_verb(join_ways.pause_join_way)

    @command()
    def resume(self, request: Request, pk: str) -> Response:
        """恢复暂停的群活码。"""
        return self.run_verb(join_ways.resume_join_way)

    @command()
    def close(self, request: Request, pk: str) -> Response:
        """停用，不能恢复；短码不会再给别的活码。"""
        return self.run_verb(join_ways.close_join_way)


# --- the QR code --------------------------------------------------------------------------------


class PictureSize(serializers.Serializer[Any]):
    size = serializers.IntegerField(min_value=LEAST_SIZE, max_value=MOST_SIZE, default=DEFAULT_SIZE)


class WhateverIsAccepted(BaseContentNegotiation):
    """A picture has one form; only its refusals are rendered by us."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


SIZE = OpenApiParameter(
    "size",
    int,
    default=DEFAULT_SIZE,
    description=f"边长（像素），{LEAST_SIZE} 到 {MOST_SIZE}。PNG 取不超过它的最大整倍数。",
)


class QrCodeViewSet(GenericViewSet[JoinWay]):
    """群活码的二维码：内容是短链，纠错等级 M，四周留白。"""

    queryset = JoinWay.objects.none()
    serializer_class = None
    content_negotiation_class = WhateverIsAccepted
    required_capabilities: ClassVar[dict[str, Required]] = {"svg": VIEW, "png": VIEW}

    def get_queryset(self) -> models.QuerySet[JoinWay]:
        return JoinWay.objects.visible_to(acting_user(self.request))

    @extend_schema(parameters=[SIZE], responses={(200, "image/svg+xml"): OpenApiTypes.BINARY})
    def svg(self, request: Request, pk: str) -> HttpResponse:
        """矢量图，印多大都清晰。"""
        way = self.get_object()
        return self.picture(as_svg(way.link, size=self.size()), f"{way.code}.svg", "image/svg+xml")

    @extend_schema(parameters=[SIZE], responses={(200, "image/png"): OpenApiTypes.BINARY})
    def png(self, request: Request, pk: str) -> HttpResponse:
        """位图，适合放进文章和聊天。"""
        way = self.get_object()
        return self.picture(as_png(way.link, size=self.size()), f"{way.code}.png", "image/png")

    def size(self) -> int:
        refuse_unknown(self.request, {"size"})
        asked = PictureSize(data=self.request.query_params)
        asked.is_valid(raise_exception=True)
        return int(asked.validated_data["size"])

    def picture(self, content: bytes, name: str, media_type: str) -> HttpResponse:
        headers = {
            "Content-Disposition": f'inline; filename="{name}"',
            "Cache-Control": f"private, max-age={KEPT_SECONDS}",
        }
        return HttpResponse(content, content_type=media_type, headers=headers)
