from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

from communities.models import Community
from members.models.member import Member
from members.rules.values import Behaviour, RfmSegment, ValueBand
from scrm.accounts.models import Enterprise
from scrm.accounts.rules.roles import DataScope

if TYPE_CHECKING:
    from scrm.accounts.models import User


class PurchaseDayQuerySet(models.QuerySet["PurchaseDay"]):
    def visible_to(self, user: User) -> PurchaseDayQuerySet:
        days = self.filter(enterprise=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return days
        return days.filter(member__in=Member.objects.visible_to(user))


class PurchaseDay(models.Model):
    """What a member bought on one local day in one currency: always equal to the orders.

    Orders of one day count as one purchase; refunds are taken off the day the order was paid.
    ``standing_count`` of the orders have something left after refunds.
    """

    enterprise = models.ForeignKey(
        Enterprise,
        on_delete=models.PROTECT,
        related_name="+",
        db_constraint=False,
        db_index=False,
        verbose_name=_("企业"),
    )
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="purchase_days",
        db_constraint=False,
        db_index=False,
        verbose_name=_("成员"),
    )
    day = models.DateField(_("日期"))
    currency = models.CharField(_("币种"), max_length=3)
    order_count = models.PositiveIntegerField(_("订单数"), default=0)
    standing_count = models.PositiveIntegerField(_("未全额退款的订单数"), default=0)
    net_amount = models.BigIntegerField(_("实付减退款（分）"), default=0)

    objects = PurchaseDayQuerySet.as_manager()

    class Meta:
        verbose_name = _("成员日消费")
        verbose_name_plural = _("成员日消费")
        constraints = [
            models.UniqueConstraint(
                fields=["member", "currency", "day"],
                name="one_row_per_buyer_and_day",
                violation_error_message=_("这一天已有记录。"),
            ),
        ]
        indexes = [
            models.Index(fields=["enterprise", "-day", "-id"], name="purchase_days_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.member_id} {self.day} ({self.pk})"


class MemberValueQuerySet(models.QuerySet["MemberValue"]):
    def visible_to(self, user: User) -> MemberValueQuerySet:
        values = self.filter(enterprise=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return values
        return values.filter(member__in=Member.objects.visible_to(user))


class MemberValue(models.Model):
    """What a member is worth and how they behave, computed anew each night: one narrow row.

    RFM scores are 1 to 5, 0 where there is nothing to score. ``clv_amount`` is the expected
    margin-free net purchases of the next twelve months, discounted; NULL where no model could say.
    Only members who may be profiled have a row, and it is written only when something in it moved.
    """

    member = models.OneToOneField(
        Member,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="value",
        verbose_name=_("成员"),
    )
    enterprise = models.ForeignKey(
        Enterprise,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        verbose_name=_("企业"),
    )
    recency = models.PositiveSmallIntegerField(_("R"), default=0)
    frequency = models.PositiveSmallIntegerField(_("F"), default=0)
    monetary = models.PositiveSmallIntegerField(_("M"), default=0)
    segment = models.CharField(
        _("RFM 分群"), max_length=20, choices=RfmSegment.choices, blank=True, default=""
    )
    behaviour = models.CharField(
        _("行为标签"), max_length=20, choices=Behaviour.choices, default=Behaviour.UNMEASURED
    )
    purchase_days = models.PositiveIntegerField(_("购买天数"), default=0)
    first_purchase_on = models.DateField(_("首次购买"), null=True, blank=True)
    last_purchase_on = models.DateField(_("最近购买"), null=True, blank=True)
    spent_amount = models.BigIntegerField(_("累计净消费（分）"), default=0)
    spent_year_amount = models.BigIntegerField(_("近一年净消费（分）"), default=0)
    repeat_amount = models.BigIntegerField(
        _("复购净消费（分）"), default=0, db_default=0, help_text=_("首次购买那天之后的。")
    )
    last_sign_on = models.DateField(_("近 90 天最近活跃"), null=True, blank=True)
    active_days = models.PositiveSmallIntegerField(_("近 90 天活跃天数"), default=0, db_default=0)
    contribution = models.PositiveIntegerField(
        _("近 90 天贡献"),
        default=0,
        db_default=0,
        help_text=_("发帖计 4，发言和评论计 2，其他互动计 1。"),
    )
    alive = models.FloatField(_("仍是顾客的概率"), null=True, blank=True)
    expected_purchases = models.FloatField(_("未来 12 个月预计购买天数"), null=True, blank=True)
    clv_amount = models.BigIntegerField(_("预计价值（分）"), null=True, blank=True)
    clv_band = models.CharField(
        _("价值档"), max_length=10, choices=ValueBand.choices, default=ValueBand.NONE
    )
    model_version = models.CharField(_("模型版本"), max_length=60, blank=True, default="")
    computed_on = models.DateField(
        _("计算日"), help_text=_("每晚都核对；这是最近一次有变化的那天。")
    )

    objects = MemberValueQuerySet.as_manager()

    class Meta:
        verbose_name = _("成员价值")
        verbose_name_plural = _("成员价值")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(recency__lte=5, frequency__lte=5, monetary__lte=5),
                name="rfm_scores_are_at_most_five",
                violation_error_message=_("RFM 分数为 0 到 5。"),
            ),
        ]
        indexes = [
            models.Index(
                models.F("enterprise"),
                models.F("clv_amount").desc(nulls_last=True),
                models.F("member").desc(),
                name="values_highest_first",
            ),
            models.Index(
                fields=["enterprise", "segment", "clv_band", "behaviour"], name="value_matrix"
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class PastValue(models.Model):
    """In which cell of the matrix a member was on a weekly cut, kept until the horizon has passed
    and the cells say what became of those who were in them. Deleted then."""

    pk = models.CompositePrimaryKey("enterprise_id", "cut", "member_id")
    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    cut = models.DateField()
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    segment = models.CharField(max_length=20, choices=RfmSegment.choices, blank=True, default="")
    clv_band = models.CharField(max_length=10, choices=ValueBand.choices)
    behaviour = models.CharField(max_length=20, choices=Behaviour.choices)

    class Meta:
        verbose_name = _("待观察的价值格")
        verbose_name_plural = _("待观察的价值格")

    def __str__(self) -> str:
        return f"{self.enterprise_id} {self.cut} {self.member_id}"


class ValueCellQuerySet(models.QuerySet["ValueCell"]):
    def visible_to(self, user: User) -> ValueCellQuerySet:
        """Those of the whole enterprise are for users who see all of it."""
        cells = self.filter(enterprise=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return cells
        return cells.filter(community__in=Community.objects.visible_to(user))


class ValueCell(models.Model):
    """One cell of the three-way matrix on one day: how many were in it, and once the horizon has
    passed how many of them were still active and how many bought again. Written each week."""

    enterprise = models.ForeignKey(
        Enterprise, on_delete=models.PROTECT, related_name="+", verbose_name=_("企业")
    )
    community = models.ForeignKey(
        Community,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("社群"),
    )
    cut = models.DateField(_("日期"))
    segment = models.CharField(
        _("RFM 分群"), max_length=20, choices=RfmSegment.choices, blank=True, default=""
    )
    clv_band = models.CharField(_("价值档"), max_length=10, choices=ValueBand.choices)
    behaviour = models.CharField(_("行为标签"), max_length=20, choices=Behaviour.choices)
    member_count = models.PositiveIntegerField(_("人数"))
    clv_amount = models.BigIntegerField(_("预计价值合计（分）"), default=0)
    measured_count = models.PositiveIntegerField(
        _("可观察人数"), null=True, blank=True, help_text=_("之后 28 天所在社群有数据覆盖的人。")
    )
    active_count = models.PositiveIntegerField(_("之后 28 天活跃"), null=True, blank=True)
    buyer_count = models.PositiveIntegerField(_("之后 28 天购买"), null=True, blank=True)

    objects = ValueCellQuerySet.as_manager()

    class Meta:
        verbose_name = _("价值矩阵")
        verbose_name_plural = _("价值矩阵")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "community", "cut", "segment", "clv_band", "behaviour"],
                nulls_distinct=False,
                name="one_row_per_cell_and_cut",
                violation_error_message=_("这一格这一天已有记录。"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cut} {self.segment} {self.clv_band} {self.behaviour} ({self.pk})"
