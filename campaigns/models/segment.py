from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.rules.status import BroadcastTarget
from communities.models import GroupChat
from members.models import Member
from scrm.accounts.models import Enterprise, User


class SegmentQuerySet(models.QuerySet["Segment"]):
    def visible_to(self, user: User) -> SegmentQuerySet:
        return self.filter(enterprise_id=user.enterprise_id)


class Segment(models.Model):
    """A criterion over members or chats with a name, and the list it gave when last drawn up."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="segments", verbose_name=_("企业")
    )
    code = models.SlugField(_("代码"), max_length=40, help_text=_("条件里用它指这个人群包。"))
    name = models.CharField(_("名称"), max_length=120)
    target = models.CharField(
        _("挑的是"),
        max_length=20,
        choices=BroadcastTarget.choices,
        default=BroadcastTarget.MEMBERS,
        db_default=BroadcastTarget.MEMBERS,
    )
    criterion = models.JSONField(_("条件"), default=dict, blank=True)
    member_count = models.PositiveBigIntegerField(_("人数"), null=True, blank=True, editable=False)
    drawn_at = models.DateTimeField(_("名单时间"), null=True, blank=True, editable=False)
    draw_asked_at = models.DateTimeField(
        _("等待更新名单"),
        null=True,
        blank=True,
        editable=False,
        help_text=_("名单正在后台更新；留空表示没有在等。"),
    )
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("建立人")
    )
    created_at = models.DateTimeField(_("建立时间"), db_default=Now())

    objects = SegmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("人群包")
        verbose_name_plural = _("人群包")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "code"],
                name="segment_code_is_unique",
                violation_error_message=_("已有相同代码的人群包。"),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_of_chats(self) -> bool:
        return self.target == BroadcastTarget.CHATS


class SegmentMember(models.Model):
    """One member of the list of a segment, as of ``drawn_at``."""

    pk = models.CompositePrimaryKey("segment_id", "member_id")
    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, related_name="members", verbose_name=_("人群包")
    )
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("成员"),
    )

    class Meta:
        verbose_name = _("人群包名单")
        verbose_name_plural = _("人群包名单")

    def __str__(self) -> str:
        return f"{self.segment_id} {self.member_id}"


class SegmentChat(models.Model):
    """One chat of the list of a segment of chats, as of ``drawn_at``."""

    pk = models.CompositePrimaryKey("segment_id", "chat_id")
    segment = models.ForeignKey(
        Segment, on_delete=models.CASCADE, related_name="chats", verbose_name=_("人群包")
    )
    chat = models.ForeignKey(
        GroupChat,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("客户群"),
    )

    class Meta:
        verbose_name = _("人群包里的群")
        verbose_name_plural = _("人群包里的群")

    def __str__(self) -> str:
        return f"{self.segment_id} {self.chat_id}"
