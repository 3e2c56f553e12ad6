from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from members.models.member import Member
from members.rules.status import Confidence, FollowEnd
from scrm.accounts.models import Enterprise, Staff
from scrm.accounts.rules.roles import DataScope
from scrm.wecom.models import ChannelAccount

if TYPE_CHECKING:
    from scrm.accounts.models import User


class FollowQuerySet(models.QuerySet["Follow"]):
    def visible_to(self, user: User) -> FollowQuerySet:
        """All of the enterprise; with a narrower scope those of visible members."""
        follows = self.filter(enterprise_id=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return follows
        return follows.filter(member__in=Member.objects.visible_to(user))

    def open(self) -> FollowQuerySet:
        return self.filter(ended_at=None)


class Follow(models.Model):
    """The time during which a member of staff and a customer are contacts. Append-only.

    ``external_userid`` and ``userid`` are what the platform calls the two. A contact that only
    the customer has added is not mutual yet.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    channel_account = models.ForeignKey(
        ChannelAccount, on_delete=models.PROTECT, related_name="+", verbose_name=_("渠道账号")
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="follows", verbose_name=_("成员")
    )
    staff = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="follows", verbose_name=_("跟进人")
    )
    external_userid = models.CharField(_("客户平台编号"), max_length=64)
    is_mutual = models.BooleanField(_("互为好友"), default=True, db_default=True)
    remark = models.CharField(_("备注"), max_length=120, blank=True, default="", db_default="")
    add_way = models.PositiveSmallIntegerField(_("添加方式"), null=True, blank=True)
    state = models.CharField(_("渠道参数"), max_length=64, blank=True, default="", db_default="")
    began_at = models.DateTimeField(_("开始时间"), db_default=Now())
    began_confidence = models.CharField(
        _("开始时间可信度"),
        max_length=20,
        choices=Confidence.choices,
        default=Confidence.EXACT,
        db_default=Confidence.EXACT,
    )
    seen_at = models.DateTimeField(_("最近读到"), null=True, blank=True)
    ended_at = models.DateTimeField(_("结束时间"), null=True, blank=True)
    end_reason = models.CharField(
        _("结束原因"), max_length=20, choices=FollowEnd.choices, blank=True, default=""
    )
    cleared_at = models.DateTimeField(
        _("员工随后删除"),
        null=True,
        blank=True,
        help_text=_("客户删除员工后仍在员工的列表里，员工再删除的时间。"),
    )
    end_confidence = models.CharField(
        _("结束时间可信度"),
        max_length=20,
        choices=Confidence.choices,
        blank=True,
        default="",
        db_default="",
    )

    objects = FollowQuerySet.as_manager()

    class Meta:
        verbose_name = _("跟进关系")
        verbose_name_plural = _("跟进关系")
        constraints = [
            models.UniqueConstraint(
                fields=["member", "staff", "channel_account"],
                condition=models.Q(ended_at=None),
                name="one_open_follow",
                violation_error_message=_("这位员工已在跟进这位客户。"),
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at=None) | models.Q(ended_at__gte=models.F("began_at")),
                name="follow_ends_after_it_begins",
                violation_error_message=_("结束时间不能早于开始时间。"),
            ),
        ]
        indexes = [
            # the customers of a colleague
            models.Index(
                fields=["staff", "member"],
                condition=models.Q(ended_at=None),
                name="open_follows_of_staff",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
