"""What the verbs of broadcasts take and what their questions answer."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from campaigns.api.criterion import AudienceCriterionField
from campaigns.models import Approval, ContentVersion, Segment
from campaigns.rules.attachments import MAX_ATTACHMENTS
from campaigns.rules.contents import AttachmentKind
from campaigns.rules.reasons import reason_words
from campaigns.rules.status import BroadcastTarget, FreezeAt, MisfirePolicy
from campaigns.selectors.checks import Level
from campaigns.selectors.estimates import Excluded
from communities.api.fields import VisibleRowsField
from communities.models import Community, GroupChat
from communities.rules.kinds import ContentCategory
from scrm.shared.api.fields import VisibleRelatedField
from scrm.shared.api.serializers import StrictModelSerializer, StrictSerializer
from scrm.wecom.models import ChannelAccount

MOST_CHATS = 20_000
MOST_SEGMENTS = 20
MOST_REMINDERS = 3
HOURS_OF_A_MONTH = 720
MAX_AMOUNT = 10**15


class AttachmentSerializer(StrictSerializer):
    """一个附件；kind 决定还要哪些字段。"""

    kind = serializers.ChoiceField(choices=AttachmentKind.choices)
    asset = serializers.IntegerField(
        min_value=1, required=False, help_text=_("素材编号：图片、视频、文件。")
    )
    title = serializers.CharField(max_length=128, required=False, allow_blank=True)
    url = serializers.CharField(max_length=2048, required=False)
    desc = serializers.CharField(max_length=512, required=False, allow_blank=True)
    appid = serializers.CharField(max_length=64, required=False)
    page = serializers.CharField(max_length=1024, required=False)
    picture = serializers.IntegerField(
        min_value=1, required=False, allow_null=True, help_text=_("素材编号：链接或小程序的封面。")
    )


class EditBroadcastSerializer(StrictSerializer):
    name = serializers.CharField(max_length=120)
    body = serializers.CharField(
        max_length=4000,
        help_text=_("可用变量：{{昵称}}、{{社群}}（发给成员时）；{{群名}}、{{社群}}（发到群时）。"),
    )
    communities: Any = VisibleRelatedField(
        queryset=Community.objects.all(), many=True, allow_empty=False
    )
    channel_account: Any = VisibleRelatedField(queryset=ChannelAccount.objects.all())
    category = serializers.ChoiceField(choices=ContentCategory.choices, required=False)
    target = serializers.ChoiceField(choices=BroadcastTarget.choices, required=False)
    chats: Any = VisibleRowsField(
        model=GroupChat,
        max_length=MOST_CHATS,
        required=False,
        help_text=_("只用于发到客户群；空表示这些社群的所有群。"),
    )
    criterion = AudienceCriterionField(
        required=False, help_text=_("发给成员时说成员的指标，发到群时说群的指标。")
    )
    segments: Any = VisibleRowsField(
        model=Segment,
        max_length=MOST_SEGMENTS,
        required=False,
        help_text=_("在其中任何一个里；空表示不限。"),
    )
    excluded_segments: Any = VisibleRowsField(
        model=Segment, max_length=MOST_SEGMENTS, required=False
    )
    freeze_at = serializers.ChoiceField(choices=FreezeAt.choices, required=False)
    content_version: Any = VisibleRelatedField(
        queryset=ContentVersion.objects.all(),
        required=False,
        allow_null=True,
        help_text=_("内容来自内容库的哪一版。"),
    )
    attachments: Any = AttachmentSerializer(  # type: ignore[call-arg]  # many=True
        many=True, required=False, max_length=MAX_ATTACHMENTS
    )
    cost_amount = serializers.IntegerField(
        min_value=0, max_value=MAX_AMOUNT, required=False, help_text=_("成本，单位分。")
    )
    remind_after_hours: Any = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=HOURS_OF_A_MONTH),
        max_length=MOST_REMINDERS,
        required=False,
        help_text=_("提交后几小时提醒还没确认的群主。"),
    )
    error_budget_percent = serializers.IntegerField(
        min_value=0,
        max_value=100,
        required=False,
        help_text=_("失败超过这个比例即自动暂停；0 表示不限。"),
    )
    override_reason = serializers.CharField(
        max_length=300,
        required=False,
        allow_blank=True,
        help_text=_("检查有拦截项时，为什么可以用；由审批人决定。"),
    )
    misfire_policy = serializers.ChoiceField(choices=MisfirePolicy.choices, required=False)
    misfire_grace_minutes = serializers.IntegerField(min_value=1, max_value=10_080, required=False)


class ApproveSerializer(StrictSerializer):
    digest = serializers.CharField(
        max_length=64,
        required=False,
        allow_blank=True,
        help_text=_("审批人看到的 current_digest；内容在这之后变了，批准会被拒绝。"),
    )
    accepts_override = serializers.BooleanField(
        required=False, help_text=_("明确接受作者坚持使用拦截词的理由。")
    )
    note = serializers.CharField(max_length=300, required=False, allow_blank=True)


class ReturnToDraftSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class ScheduleSerializer(StrictSerializer):
    scheduled_at = serializers.DateTimeField(
        required=False,
        help_text=_("带时区的将来时间；不填表示立即发送，重复的群发从规则的下一次开始。"),
    )


class BroadcastReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=300, help_text=_("为什么；留档。"))


class CommunityShareSerializer(serializers.Serializer[Any]):
    community_id = serializers.IntegerField()
    name = serializers.CharField()
    recipient_count = serializers.IntegerField()


class ExcludedSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(help_text=_("原因代码，例如 not_matching、cap_week。"))
    words = serializers.SerializerMethodField(help_text=_("给人看的原因。"))
    count = serializers.IntegerField()

    def get_words(self, excluded: Excluded) -> str:
        return reason_words(excluded.reason)


class SampleSerializer(serializers.Serializer[Any]):
    recipient = serializers.CharField()
    body = serializers.CharField()


class EstimateSerializer(serializers.Serializer[Any]):
    """现在发会发给多少人、各社群多少、哪些不发、几条真实的样例。"""

    recipient_count = serializers.IntegerField(help_text=_("会锁定进名单的。"))
    will_send_count = serializers.IntegerField(help_text=_("其中按现在的规则真正会发的。"))
    eligible_count = serializers.IntegerField(help_text=_("企业里这类群发能发到的全部。"))
    share = serializers.FloatField(help_text=_("名单占全部的比例，0 到 1。"))
    is_full_blast = serializers.BooleanField(help_text=_("算不算全员群发；是就要两人批准。"))
    communities = CommunityShareSerializer(many=True)
    excluded = ExcludedSerializer(many=True)
    samples = SampleSerializer(many=True)


class CheckSerializer(serializers.Serializer[Any]):
    """对这条群发的一项检查：通过、提示或拦截，和该怎么办。"""

    code = serializers.CharField()
    level = serializers.ChoiceField(
        choices=[(Level.OK, _("通过")), (Level.HINT, _("提示")), (Level.BLOCK, _("拦截"))]
    )
    title = serializers.CharField()
    words = serializers.CharField()
    is_overridable = serializers.BooleanField(
        help_text=_("作者写明理由、审批人明确认可，就可以用。")
    )
    details = serializers.DictField()


class ApprovalSerializer(StrictModelSerializer[Approval]):
    user_name = serializers.CharField(source="user.username", read_only=True)

    class Meta:
        model = Approval
        fields = (
            "id",
            "user",
            "user_name",
            "decision",
            "content_digest",
            "shown",
            "note",
            "decided_at",
        )
