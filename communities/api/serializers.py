from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from communities.api.fields import CriterionField
from communities.models import (
    ClassificationAxis,
    ClassificationValue,
    Community,
    EntryPolicy,
    GroupChat,
    Tier,
    TierScheme,
)
from communities.rules.kinds import Circle, CommunityKind, ContentCategory, EntryMode, PurposeKind
from communities.rules.status import CommunityStatus, moves_from
from communities.services.gatekeeping import LONGEST_INTERVAL, LONGEST_REVIEW
from scrm.accounts.models import Staff
from scrm.accounts.rules.roles import Capability
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.shared.criteria import Criterion
from scrm.shared.criterion_words import describe_stored
from scrm.wecom.models import ChannelAccount

# --- how rows look ---


class AxisSerializer(StrictModelSerializer[ClassificationAxis]):
    class Meta:
        model = ClassificationAxis
        fields = (
            "id",
            "code",
            "name",
            "requires_evidence",
            "is_exclusive",
            "evidence_valid_days",
        )


class ValueSerializer(StrictModelSerializer[ClassificationValue]):
    axis_name = serializers.CharField(source="axis.name", read_only=True)

    class Meta:
        model = ClassificationValue
        fields = ("id", "axis", "axis_name", "code", "name", "parent")


class TierSchemeSerializer(StrictModelSerializer[TierScheme]):
    class Meta:
        model = TierScheme
        fields = ("id", "code", "name")


class DescribedCriterion(serializers.Serializer[Any]):
    """A row with a criterion, also in words."""

    criterion = CriterionField(read_only=True)
    criterion_text = serializers.SerializerMethodField(help_text=_("用一句话写出的门槛，给人看。"))

    def get_criterion_text(self, row: EntryPolicy | Tier) -> str:
        return describe_stored(row.criterion)


class TierSerializer(DescribedCriterion, StrictModelSerializer[Tier]):
    scheme_name = serializers.CharField(source="scheme.name", read_only=True)

    class Meta:
        model = Tier
        fields = (
            "id",
            "scheme",
            "scheme_name",
            "rank",
            "name",
            "criterion",
            "criterion_text",
            "keep_factor",
            "grace_days",
        )


class EntryPolicySerializer(DescribedCriterion, StrictModelSerializer[EntryPolicy]):
    community_name = serializers.CharField(source="community.name", read_only=True)
    evidence_axes = AxisSerializer(many=True, read_only=True)

    class Meta:
        model = EntryPolicy
        fields: tuple[str, ...] = (
            "id",
            "community",
            "community_name",
            "version",
            "mode",
            "criterion",
            "criterion_text",
            "evidence_axes",
            "review_hours",
            "requalify_days",
            "is_active",
            "created_by",
            "created_at",
        )


class ActivePolicySerializer(EntryPolicySerializer):
    class Meta(EntryPolicySerializer.Meta):
        fields = (
            "id",
            "version",
            "mode",
            "criterion",
            "criterion_text",
            "evidence_axes",
            "review_hours",
            "requalify_days",
        )


class CommunitySerializer(StrictModelSerializer[Community]):
    parent_name = serializers.CharField(source="parent.name", read_only=True, default="")
    classification_values = ValueSerializer(many=True, read_only=True)
    minimum_tier_name = serializers.CharField(
        source="minimum_tier.name", read_only=True, default=""
    )
    owner_name = serializers.CharField(source="owner.name", read_only=True, default="")
    adviser_name = serializers.CharField(source="adviser.name", read_only=True, default="")
    backup_owner_name = serializers.CharField(
        source="backup_owner.name", read_only=True, default=""
    )
    entry_policy = serializers.SerializerMethodField(help_text=_("生效的准入规则，没有则为 null。"))
    member_count = serializers.IntegerField(read_only=True, help_text=_("各客户群里的人数之和。"))
    capacity = serializers.IntegerField(read_only=True, help_text=_("各客户群的容量之和。"))
    available_actions = serializers.SerializerMethodField(
        help_text=_("当前用户现在可以做的事：edit、set_entry_policy、move:目标状态。")
    )

    class Meta:
        model = Community
        fields = (
            "id",
            "code",
            "name",
            "audience_statement",
            "purpose_statement",
            "purpose_kind",
            "kind",
            "circle",
            "parent",
            "parent_name",
            "classification_values",
            "minimum_tier",
            "minimum_tier_name",
            "owner",
            "owner_name",
            "adviser",
            "adviser_name",
            "backup_owner",
            "backup_owner_name",
            "minimum_size",
            "target_size",
            "allowed_categories",
            "advert_share_limit",
            "member_count",
            "capacity",
            "status",
            "entry_policy",
            "available_actions",
            "created_at",
        )

    @extend_schema_field(ActivePolicySerializer(allow_null=True))
    def get_entry_policy(self, community: Any) -> object:
        in_force: list[EntryPolicy] = community.policies_in_force
        return ActivePolicySerializer(in_force[0]).data if in_force else None

    def get_available_actions(self, community: Community) -> list[str]:
        if not self.context["request"].user.can(Capability.MANAGE_COMMUNITIES):
            return []
        moves = [f"move:{target}" for target in moves_from(community.status)]
        return ["edit", "set_entry_policy", *moves]


class GroupChatSerializer(StrictModelSerializer[GroupChat]):
    community_name = serializers.CharField(source="community.name", read_only=True, default="")
    owner_name = serializers.CharField(source="owner.name", read_only=True, default="")

    class Meta:
        model = GroupChat
        fields = (
            "id",
            "channel_account",
            "external_id",
            "name",
            "community",
            "community_name",
            "owner",
            "owner_name",
            "join_url",
            "capacity",
            "member_count",
            "staff_count",
            "state",
            "platform_status",
            "owner_userid",
            "notice",
            "founded_at",
            "read_at",
            "dissolved_at",
            "is_dissolution_inferred",
            "created_at",
        )


# --- what verbs take ---

NO_THRESHOLD: Any = Criterion()


def staff_field() -> Any:
    return VisibleRelatedField(queryset=Staff.objects.all(), required=False, allow_null=True)


def join_url_field() -> Any:
    return serializers.URLField(
        max_length=500,
        required=False,
        allow_blank=True,
        help_text=_("平台给出的入群链接，http 或 https；群活码和入群页把人带到这里。"),
    )


class CommunityBodySerializer(StrictSerializer):
    code = serializers.SlugField(max_length=60, help_text=_("导入文件和链接里用它指这个社群。"))
    name = serializers.CharField(max_length=120)
    audience_statement = serializers.CharField(
        max_length=300, required=False, allow_blank=True, help_text=_("什么人。")
    )
    purpose_statement = serializers.CharField(
        max_length=300, required=False, allow_blank=True, help_text=_("做什么事。")
    )
    purpose_kind = serializers.ChoiceField(PurposeKind.choices, required=False)
    kind = serializers.ChoiceField(CommunityKind.choices, required=False)
    circle = serializers.ChoiceField(Circle.choices, required=False)
    parent: Any = VisibleRelatedField(
        queryset=Community.objects.all(), required=False, allow_null=True
    )
    classification_values: Any = VisibleRelatedField(
        queryset=ClassificationValue.objects.all(), many=True, required=False
    )
    minimum_tier: Any = VisibleRelatedField(
        queryset=Tier.objects.select_related("scheme"), required=False, allow_null=True
    )
    owner = staff_field()
    adviser = staff_field()
    backup_owner = staff_field()
    minimum_size = serializers.IntegerField(required=False, min_value=0, max_value=1_000_000)
    target_size = serializers.IntegerField(required=False, min_value=1, max_value=1_000_000)
    allowed_categories = serializers.ListField(
        child=serializers.ChoiceField(ContentCategory.choices),
        max_length=len(ContentCategory),
        required=False,
        help_text=_("留空表示都允许；服务类总是允许。"),
    )
    advert_share_limit = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=100,
        help_text=_("近几天的消息里广告最多占百分之几；null 用企业的规则，不能比企业的更宽。"),
    )


class MoveSerializer(StrictSerializer):
    target = serializers.ChoiceField(CommunityStatus.choices)


class SetEntryPolicySerializer(StrictSerializer):
    mode = serializers.ChoiceField(EntryMode.choices)
    criterion: Any = CriterionField(default=NO_THRESHOLD)
    evidence_axes: Any = VisibleRelatedField(
        queryset=ClassificationAxis.objects.all(),
        many=True,
        required=False,
        help_text=_("申请人要为这些维度各上传一张照片。不写则沿用上一版。"),
    )
    review_hours = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_REVIEW,
        help_text=_("人工审核的时限，小时；不写则沿用上一版，第一版为 24。"),
    )
    requalify_days = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=LONGEST_INTERVAL,
        help_text=_("每隔多少天重新核对成员是否仍满足门槛；null 表示不复核，不写则沿用上一版。"),
    )


class AxisBodySerializer(StrictSerializer):
    code = serializers.SlugField(max_length=40)
    name = serializers.CharField(max_length=60)
    requires_evidence = serializers.BooleanField(required=False)
    is_exclusive = serializers.BooleanField(
        required=False, help_text=_("每位成员在这个维度上只能有一个值。")
    )
    evidence_valid_days = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=36_500,
        help_text=_("凭证带来的分类多少天后到期；null 表示一直有效。"),
    )


class ValueBodySerializer(StrictSerializer):
    axis: Any = VisibleRelatedField(queryset=ClassificationAxis.objects.all())
    code = serializers.SlugField(max_length=40)
    name = serializers.CharField(max_length=60)
    parent: Any = VisibleRelatedField(
        queryset=ClassificationValue.objects.all(), required=False, allow_null=True
    )


class EditValueSerializer(StrictSerializer):
    code = serializers.SlugField(max_length=40, required=False)
    name = serializers.CharField(max_length=60, required=False)
    parent: Any = VisibleRelatedField(
        queryset=ClassificationValue.objects.all(), required=False, allow_null=True
    )


class EditTierSchemeSerializer(StrictSerializer):
    name = serializers.CharField(max_length=60)


class TierSchemeBodySerializer(EditTierSchemeSerializer):
    code = serializers.SlugField(
        max_length=40,
        required=False,
        help_text=_("条件里用它指这个方案，之后不能改；不填时自动编号。"),
    )


class EditTierSerializer(StrictSerializer):
    rank = serializers.IntegerField(min_value=1, max_value=1000)
    name = serializers.CharField(max_length=60)
    criterion: Any = CriterionField(required=False)
    keep_factor = serializers.DecimalField(
        max_digits=3,
        decimal_places=2,
        min_value=Decimal("0.01"),
        max_value=Decimal(1),
        required=False,
    )
    grace_days = serializers.IntegerField(min_value=0, max_value=3650, required=False)


class TierBodySerializer(EditTierSerializer):
    scheme: Any = VisibleRelatedField(queryset=TierScheme.objects.all())
    criterion: Any = CriterionField(default=NO_THRESHOLD)


class GroupChatBodySerializer(StrictSerializer):
    channel_account: Any = VisibleRelatedField(queryset=ChannelAccount.objects.all())
    external_id = serializers.CharField(max_length=128)
    name = serializers.CharField(max_length=120)
    community: Any = VisibleRelatedField(
        queryset=Community.objects.all(), required=False, allow_null=True
    )
    owner = staff_field()
    join_url = join_url_field()
    capacity = serializers.IntegerField(required=False, min_value=1, max_value=2000)


class EditGroupChatSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120, required=False)
    owner = staff_field()
    join_url = join_url_field()
    capacity = serializers.IntegerField(required=False, min_value=1, max_value=2000)


class AssignChatSerializer(StrictSerializer):
    community: Any = VisibleRelatedField(queryset=Community.objects.all(), allow_null=True)
