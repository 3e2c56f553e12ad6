from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from members.models import Member, Tag
from members.services.tagging import create_tag, rename_tag, tag_members, untag_members
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command

VIEW, MANAGE = Capability.VIEW_MEMBERS, Capability.MANAGE_MEMBERS
MAX_MEMBERS = 1000
MAX_ID = 2**63 - 1


class TagSerializer(StrictModelSerializer[Tag]):
    class Meta:
        model = Tag
        fields = ("id", "code", "name")


class TagBodySerializer(StrictSerializer):
    code = serializers.SlugField(max_length=40)
    name = serializers.CharField(max_length=60)


class RenameTagSerializer(StrictSerializer):
    name = serializers.CharField(max_length=60)


class MemberIdsSerializer(StrictSerializer):
    members = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=MAX_ID),
        allow_empty=False,
        max_length=MAX_MEMBERS,
    )


class ChangedSerializer(serializers.Serializer[Any]):
    changed = serializers.IntegerField()


class TagFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    code = filters.CharFilter()
    name = filters.CharFilter(lookup_expr="icontains")

    class Meta:
        model = Tag
        fields: list[str] = []


class TagViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Tag]):
    """标签：同事给成员做的记号。有某个标签的成员用 /members/?tag= 查。"""

    queryset = Tag.objects.none()
    serializer_class = TagSerializer
    filterset_class = TagFilter
    ordering = ("id",)
    ordering_fields = ("id", "name", "code")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
        "add": MANAGE,
        "remove": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[Tag]:
        rows = Tag.objects.visible_to(acting_user(self.request))
        return rows.fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=TagBodySerializer, responses={201: TagSerializer})
    def create(self, request: Request) -> Response:
        return self.run_create(create_tag, body=TagBodySerializer)

    @extend_schema(request=RenameTagSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """改名；代码不能改，条件里用它。"""
        return self.run_verb(rename_tag, body=RenameTagSerializer, partial=True)

    @command(body=MemberIdsSerializer, answer=ChangedSerializer)
    def add(self, request: Request, pk: str) -> Response:
        """给成员打上标签，已有的不变；答复新打上的人数。"""
        return self._sweep(tag_members)

    @command(body=MemberIdsSerializer, answer=ChangedSerializer)
    def remove(self, request: Request, pk: str) -> Response:
        """去掉成员的标签，没有的不变；答复去掉的人数。"""
        return self._sweep(untag_members)

    def _sweep(self, verb: Callable[..., int]) -> Response:
        tag = self.get_object()
        members = named_members(self, self.body(MemberIdsSerializer)["members"])
        changed = verb(tag.pk, members=members, actor=acting_user(self.request))
        return Response({"changed": changed})


def named_members(view: TagViewSet, ids: list[int]) -> models.QuerySet[Member]:
    members = Member.objects.visible_to(acting_user(view.request)).filter(pk__in=ids)
    unknown = sorted(set(ids) - set(members.values_list("pk", flat=True)))
    if unknown:
        message = _("没有编号为 %(ids)s 的成员。") % {"ids": "、".join(map(str, unknown[:10]))}
        raise ValidationError({"members": [ErrorDetail(message, "does_not_exist")]})
    return members
