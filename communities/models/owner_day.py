from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models.group_chat import GroupChat
from scrm.accounts.models import Enterprise, Staff, User
from scrm.accounts.rules.roles import DataScope
from scrm.wecom.models import WecomConnection


class OwnerDayQuerySet(models.QuerySet["OwnerDay"]):
    def visible_to(self, user: User) -> OwnerDayQuerySet:
        """With a narrower scope only owners all of whose chats are visible: the counters do not
        tell chats apart."""
        days = self.filter(enterprise_id=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return days
        visible = GroupChat.objects.visible_to(user).values("pk")
        owned = GroupChat.objects.live().filter(owner=models.OuterRef("staff"))
        return days.filter(
            models.Exists(owned.filter(pk__in=visible)),
            ~models.Exists(owned.exclude(pk__in=visible)),
        )


class OwnerDay(models.Model):
    """What the platform counted in all customer groups of one owner on one day of the platform.

    Only sums: nobody's activity is taken from it. A day that is missing was not read.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    connection = models.ForeignKey(
        WecomConnection,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,  # the unique constraint begins with it
        verbose_name=_("企业微信连接"),
    )
    userid = models.CharField(_("群主平台账号"), max_length=64)
    staff = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("群主"),
    )
    day = models.DateField(_("日期"))
    chat_count = models.PositiveIntegerField(_("群总数"), default=0)
    new_chat_count = models.PositiveIntegerField(_("新增群"), default=0)
    chat_with_messages_count = models.PositiveIntegerField(_("有发言的群"), default=0)
    member_count = models.PositiveIntegerField(_("群成员总数"), default=0)
    new_member_count = models.PositiveIntegerField(_("新增群成员"), default=0)
    speaker_count = models.PositiveIntegerField(_("发过言的成员"), default=0)
    message_total = models.PositiveBigIntegerField(
        _("累计消息数"), default=0, help_text=_("平台给的是到这天为止的累计。")
    )
    fetched_at = models.DateTimeField(_("读取时间"), db_default=Now())

    objects = OwnerDayQuerySet.as_manager()

    class Meta:
        verbose_name = _("平台统计")
        verbose_name_plural = _("平台统计")
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "userid", "day"],
                name="one_row_per_owner_and_day",
                violation_error_message=_("这位群主这一天已有记录。"),
            ),
        ]
        indexes = [
            models.Index(fields=["enterprise", "-day", "-id"], name="owner_days_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.userid} {self.day} ({self.pk})"
