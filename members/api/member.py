from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from communities.models import Community
from members.api.classification import MemberClassifiedAs
from members.models import Member, MemberIdentity, Membership, MemberTag, Tag
from members.models.member import IdentityKind
from members.rules.birthdays import birthday_number, birthday_words
from members.rules.phones import masked, normalised
from members.services.erasing import erase_member
from members.services.registering import edit_member, register_member
from scrm.accounts.api.permissions import Required, acting_user
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.filters import VisibleModelChoiceFilter
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.api.verbs import VerbViewSet, command
from scrm.shared.crypto import lookup_digest

VIEW, MANAGE = Capability.VIEW_MEMBERS, Capability.MANAGE_MEMBERS


@extend_schema_field({"type": "string", "pattern": "^[0-9]{2}-[0-9]{2}$", "example": "03-08"})
class BirthdayField(serializers.Field[int | None, Any, str, Any]):
    """月和日，例如 03-08；年份不保存。"""

    default_error_messages = {"bad_birthday": _("写成月和日，例如 03-08。")}

    def to_internal_value(self, data: Any) -> int:
        number = birthday_number(data) if isinstance(data, str) else None
        if number is None:
            self.fail("bad_birthday")
        return number

    def to_representation(self, value: int | None) -> str:
        return birthday_words(value)


class MemberSerializer(StrictModelSerializer[Member]):
    phone = serializers.SerializerMethodField(help_text=_("只显示前三位和后四位。"))
    birthday = BirthdayField(read_only=True, allow_null=True)

    class Meta:
        model = Member
        fields = (
            "id",
            "external_id",
            "nickname",
            "phone",
            "birthday",
            "erased_at",
            "created_at",
        )

    def get_phone(self, member: Member) -> str:
        return masked(member.phone)


class MemberBodySerializer(StrictSerializer):
    external_id = serializers.CharField(
        max_length=128, help_text=_("企业自己系统里的客户编号，之后不能改。")
    )
    nickname = serializers.CharField(max_length=120)
    phone = serializers.CharField(max_length=40, required=False, allow_blank=True)
    birthday = BirthdayField(required=False, allow_null=True)


class EditMemberSerializer(StrictSerializer):
    nickname = serializers.CharField(max_length=120, required=False)
    phone = serializers.CharField(max_length=40, required=False, allow_blank=True)
    birthday = BirthdayField(required=False, allow_null=True)


class EraseSerializer(StrictSerializer):
    reason = serializers.CharField(
        max_length=300, help_text=_("谁、怎样要求抹除的；不要写姓名和联系方式。")
    )


class MemberFilter(filters.FilterSet):  # type: ignore[misc]  # untyped upstream
    external_id = filters.CharFilter()
    nickname = filters.CharFilter(lookup_expr="icontains")
    phone = filters.CharFilter(method="with_phone", help_text=_("完整手机号。"))
    community = VisibleModelChoiceFilter(model=Community, method="now_in")
    classified_as = MemberClassifiedAs()
    tag = VisibleModelChoiceFilter(model=Tag, method="wearing")
    created_after = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Member
        fields: list[str] = []

    def with_phone(
        self, members: models.QuerySet[Member], name: str, value: str
    ) -> models.QuerySet[Member]:
        number = normalised(value)
        if number is None:
            return members.none()
        digest = lookup_digest(
            number, purpose=IdentityKind.PHONE, enterprise_id=self.request.user.enterprise_id
        )
        found = MemberIdentity.objects.filter(kind=IdentityKind.PHONE, digest=digest)
        return members.filter(pk__in=found.values("member"))

    def now_in(
        self, members: models.QuerySet[Member], name: str, value: Community
    ) -> models.QuerySet[Member]:
        inside = Membership.objects.active().filter(community=value)
        return members.filter(pk__in=inside.values("member"))

    def wearing(
        self, members: models.QuerySet[Member], name: str, value: Tag
    ) -> models.QuerySet[Member]:
        worn = MemberTag.objects.current().filter(tag=value)
        return members.filter(pk__in=worn.values("member"))


class MemberViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, VerbViewSet[Member]):
    """成员：企业认识的客户，不论在哪些社群里。"""

    queryset = Member.objects.none()
    serializer_class = MemberSerializer
    filterset_class = MemberFilter
    ordering = ("-id",)
    ordering_fields = ("id", "created_at")
    required_capabilities: ClassVar[dict[str, Required]] = {
        "list": VIEW,
        "retrieve": VIEW,
        "create": MANAGE,
        "partial_update": MANAGE,
        "erase": MANAGE,
    }

    def get_queryset(self) -> models.QuerySet[Member]:
        members = Member.objects.visible_to(acting_user(self.request))
        return members.fetch_mode(models.FETCH_RAISE)

    @extend_schema(request=MemberBodySerializer, responses={201: MemberSerializer})
    def create(self, request: Request) -> Response:
        return self.run_create(register_member, body=MemberBodySerializer)

    @extend_schema(request=EditMemberSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        return self.run_verb(edit_member, body=EditMemberSerializer, partial=True)

    @command(body=EraseSerializer)
    def erase(self, request: Request, pk: str) -> Response:
        """应本人要求抹除个人信息，不能撤销。历史记录里只剩编号；以后的导入和同步也不会写回。"""
        return self.run_verb(erase_member, body=EraseSerializer)
