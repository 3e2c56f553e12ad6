from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from communities.models import Community
from members.models.activity import in_communities_of
from scrm.accounts.models import Enterprise

if TYPE_CHECKING:
    from scrm.accounts.models import User


class CommunityDayQuerySet(models.QuerySet["CommunityDay"]):
    def visible_to(self, user: User) -> CommunityDayQuerySet:
        return self.filter(in_communities_of(user))


class CommunityDay(models.Model):
    """A community on one local day of its enterprise, made from memberships, members' days,
    colleagues' days and purchase days; made anew whenever one of them changed.

    Counts of people are distinct. On a day that no source measured the counts of activity are
    NULL: nobody knows. ``figures`` are the values of ``COMMUNITY_METRICS`` for the windows that end
    with the day, kept for last night and for one day of each week: a row made anew has none.
    """

    enterprise = models.ForeignKey(
        Enterprise,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        verbose_name=_("企业"),
    )
    community = models.ForeignKey(
        Community, on_delete=models.PROTECT, related_name="+", verbose_name=_("社群")
    )
    day = models.DateField(_("日期"))
    member_count_start = models.PositiveIntegerField(_("日初成员"))
    joined_count = models.PositiveIntegerField(_("加入"))
    left_count = models.PositiveIntegerField(_("离开"))
    member_count_end = models.PositiveIntegerField(_("日末成员"))
    is_measured = models.BooleanField(_("有数据覆盖"))
    active_count = models.PositiveIntegerField(_("活跃成员"), null=True, blank=True)
    active_count_7 = models.PositiveIntegerField(_("近 7 天活跃"), null=True, blank=True)
    active_count_28 = models.PositiveIntegerField(_("近 28 天活跃"), null=True, blank=True)
    speaker_count = models.PositiveIntegerField(_("发言成员"), null=True, blank=True)
    speaker_count_7 = models.PositiveIntegerField(_("近 7 天发言成员"), null=True, blank=True)
    interaction_count = models.PositiveBigIntegerField(_("成员互动"), null=True, blank=True)
    message_count = models.PositiveBigIntegerField(
        _("成员发言"), null=True, blank=True, help_text=_("发言、发帖和评论。")
    )
    staff_message_count = models.PositiveBigIntegerField(_("员工发言"), null=True, blank=True)
    buyer_count = models.PositiveIntegerField(_("下单成员"), default=0)
    order_count = models.PositiveIntegerField(_("订单"), default=0)
    net_amount = models.BigIntegerField(_("净成交（分）"), default=0)
    hour_actives = ArrayField(
        models.PositiveIntegerField(),
        size=24,
        null=True,
        blank=True,
        editable=False,
        help_text=_("当地每小时的活跃成员数。"),
    )
    figures = models.JSONField(
        _("指标"),
        default=dict,
        db_default={},
        blank=True,
        editable=False,
        help_text=_("以这一天为止的指标，按名称；没有的还没算。"),
    )
    computed_at = models.DateTimeField(_("计算时间"), db_default=Now())

    objects = CommunityDayQuerySet.as_manager()

    class Meta:
        verbose_name = _("社群日快照")
        verbose_name_plural = _("社群日快照")
        constraints = [
            models.UniqueConstraint(
                fields=["community", "day"],
                name="one_snapshot_per_community_and_day",
                violation_error_message=_("这一天已有快照。"),
            ),
            models.CheckConstraint(
                condition=models.Q(
                    member_count_end=models.F("member_count_start")
                    + models.F("joined_count")
                    - models.F("left_count")
                ),
                name="members_of_a_day_add_up",
                violation_error_message=_("日初 + 加入 − 离开 必须等于日末。"),
            ),
        ]
        indexes = [
            models.Index(fields=["enterprise", "-day", "-id"], name="snapshots_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.community_id} {self.day} ({self.pk})"


class StaleDay(models.Model):
    """A day in the past of which something became known late: its snapshot is to be made anew."""

    pk = models.CompositePrimaryKey("community_id", "day")
    community = models.ForeignKey(
        Community, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    day = models.DateField()
    marked_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("待重算的快照")
        verbose_name_plural = _("待重算的快照")

    def __str__(self) -> str:
        return f"{self.community_id} {self.day}"
