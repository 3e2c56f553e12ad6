from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from communities.models import Community
from members.models import BlocklistEntry, Member
from members.services.blocking import block_member, unblock_member
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, MANAGE = Capability.VIEW_MEMBERS, Capability.MANAGE_MEMBERS


class BlocklistEntrySerializer(StrictModelSerializer[BlocklistEntry]):
    member_nickname = serializers.CharField(source="member.nickname", read_only=True)
    community_name = serializers.CharField(source="community.name", read_only=True, default="")
    in_force = serializers.SerializerMethodField(help_text=_("现在是否有效。"))

    class Meta:
        model = BlocklistEntry
        fields = (
            "id",
            "member",
            "member_nickname",
            "community",
            "community_name",
            "reason",
            "in_force",
            "blocked_by",
            "blocked_at",
            "expires_at",
            "lifted_at",
        )

    def get_in_force(self, entry: BlocklistEntry) -> bool:
        ends = entry.expires_at
        return entry.lifted_at is None and (ends is None or ends > timezone.now())


class BlockSerializer(StrictSerializer):
    member: Any = VisibleRelatedField(queryset=Member.objects.all())
    community: Any = VisibleRelatedField(
        queryset=Community.objects.all(),
        required=False,
        allow_null=True,
        help_text=_("不写表示所有社群。"),
    )
    reason = serializers.CharField(max_length=300, help_text=_("只有同事会看到。"))
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text=_("不写表示一直有效。")
    )


class BlocklistFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    member = VisibleModelChoiceFilter(model=Member)
    community = VisibleModelChoiceFilter(model=Community)
    in_force = filters.BooleanFilter(method="with_force", label=_("现在有效"))

    class Meta:
        model = BlocklistEntry
        fields: list[str] = []

    def with_force(
        self, entries: models.QuerySet[BlocklistEntry], name: str, value: bool
    ) -> models.QuerySet[BlocklistEntry]:
        in_force = BlocklistEntry.objects.in_force(timezone.now()).values("pk")
        return entries.filter(pk__in=in_force) if value else entries.exclude(pk__in=in_force)


class BlocklistViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[BlocklistEntry]
):
    """黑名单：谁不能进所有社群，或不能进某个社群；比审核通过优先。"""

    queryset = BlocklistEntry.objects.none()
    serializer_class = BlocklistEntrySerializer
    filterset_class = BlocklistFilter
    ordering = ("-id",)
    ordering_fields = ("id", "blocked_at", "expires_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "unblock": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[BlocklistEntry]:
        rows = BlocklistEntry.objects.visible_to(acting_user(self.request))
        return rows.select_related("member", "community").fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=BlockSerializer, responses={201: BlocklistEntrySerializer})
    def create(self, request: Request) -> Response:
        """加入黑名单。未结束的申请立即拒绝；已在社群中的不会被移出。"""
        values = self.body(BlockSerializer)
        entry = block_member(values.pop("member"), actor=acting_user(request), **values)
        return self.answer(entry, code=201)

    @command()
    def unblock(self, request: Request, pk: str) -> Response:
        """解除；被拒绝的申请不会恢复，可以重新申请。"""
        return self.run_verb(unblock_member)
