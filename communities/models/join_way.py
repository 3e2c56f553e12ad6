from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models.classification import ClassificationValue
from communities.models.community import Community
from communities.models.group_chat import GroupChat
from communities.rules.status import JoinWayState
from scrm.accounts.models import Enterprise, User


class JoinWayQuerySet(models.QuerySet["JoinWay"]):
    def visible_to(self, user: User) -> JoinWayQuerySet:
        return self.filter(community__in=Community.objects.visible_to(user))

    def active(self) -> JoinWayQuerySet:
        return self.filter(state=JoinWayState.ACTIVE)


class JoinWay(models.Model):
    """One stable short link and QR code that leads a scan to a chat of a community with room.

    The code never changes and is never given again: it is printed on posters.
    """

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="join_ways", verbose_name=_("企业")
    )
    community = models.ForeignKey(
        Community, on_delete=models.PROTECT, related_name="join_ways", verbose_name=_("社群")
    )
    code = models.CharField(_("短码"), max_length=12, unique=True, editable=False)
    name = models.CharField(_("名称"), max_length=120)
    source = models.SlugField(
        _("来源"), max_length=40, help_text=_("统计按它分组，例如 poster-shanghai、store-012。")
    )
    state = models.CharField(
        _("状态"), max_length=20, choices=JoinWayState.choices, default=JoinWayState.ACTIVE
    )
    created_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("建立人")
    )
    created_at = models.DateTimeField(_("建立时间"), db_default=Now())

    objects = JoinWayQuerySet.as_manager()

    class Meta:
        verbose_name = _("群活码")
        verbose_name_plural = _("群活码")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state__in=JoinWayState.values),
                name="join_way_state_is_known",
                violation_error_message=_("未知的群活码状态。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"

    @property
    def link(self) -> str:
        """What is printed and scanned."""
        return f"{settings.PUBLIC_URL}/j/{self.code}"


class JoinRoute(models.Model):
    """One chat that a join way may lead to. Without a region it serves everybody."""

    join_way = models.ForeignKey(
        JoinWay, on_delete=models.CASCADE, related_name="routes", verbose_name=_("群活码")
    )
    chat = models.ForeignKey(
        GroupChat, on_delete=models.PROTECT, related_name="routes", verbose_name=_("客户群")
    )
    weight = models.PositiveSmallIntegerField(
        _("权重"), default=1, help_text=_("有空位的群按权重分流；0 表示只在其他群都满时使用。")
    )
    region = models.ForeignKey(
        ClassificationValue,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("地区"),
        help_text=_("链接带 ?region=代码 时优先进这个地区的群。"),
    )

    class Meta:
        verbose_name = _("分流")
        verbose_name_plural = _("分流")
        constraints = [
            models.UniqueConstraint(
                fields=["join_way", "chat"],
                name="join_route_names_a_chat_once",
                violation_error_message=_("这个客户群已在这个活码里。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class JoinWayDay(models.Model):
    """How often a join way was scanned on one local day. Joins and quits are counted from stays."""

    join_way = models.ForeignKey(
        JoinWay, on_delete=models.PROTECT, related_name="days", verbose_name=_("群活码")
    )
    day = models.DateField(_("日期"))
    scan_count = models.PositiveBigIntegerField(_("扫码次数"), default=0)

    class Meta:
        verbose_name = _("活码日统计")
        verbose_name_plural = _("活码日统计")
        constraints = [
            models.UniqueConstraint(
                fields=["join_way", "day"],
                name="one_row_per_join_way_and_day",
                violation_error_message=_("这一天已有记录。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.join_way_id} {self.day} ({self.pk})"
