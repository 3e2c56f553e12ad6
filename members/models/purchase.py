from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from members.models.member import Member
from scrm.accounts.models import Enterprise
from scrm.accounts.rules.roles import DataScope

if TYPE_CHECKING:
    from scrm.accounts.models import User


class PurchaseQuerySet(models.QuerySet["Purchase"]):
    def visible_to(self, user: User) -> PurchaseQuerySet:
        purchases = self.filter(enterprise=user.enterprise_id)
        if user.data_scope == DataScope.ALL:
            return purchases
        return purchases.filter(member__in=Member.objects.visible_to(user))

    def standing(self) -> PurchaseQuerySet:
        """Orders of which something is left after refunds."""
        return self.filter(refunded_amount__lt=models.F("paid_amount"))


class Purchase(models.Model):
    """A paid order, known by its number in the shop's system. Amounts in minor units (分)."""

    enterprise = models.ForeignKey(
        Enterprise,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,  # the index of the list begins with it
        verbose_name=_("企业"),
    )
    member = models.ForeignKey(
        Member, on_delete=models.PROTECT, related_name="purchases", verbose_name=_("成员")
    )
    source = models.CharField(_("数据来源"), max_length=40)
    order_number = models.CharField(_("订单号"), max_length=128)
    paid_amount = models.BigIntegerField(_("实付（分）"))
    refunded_amount = models.BigIntegerField(_("已退（分）"), default=0)
    currency = models.CharField(_("币种"), max_length=3, default="CNY")
    paid_at = models.DateTimeField(_("支付时间"))
    received_at = models.DateTimeField(_("收到时间"), db_default=Now())

    objects = PurchaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("订单")
        verbose_name_plural = _("订单")
        constraints = [
            models.UniqueConstraint(
                fields=["enterprise", "source", "order_number"],
                name="order_number_is_unique",
                violation_error_message=_("这个订单号已存在。"),
            ),
            models.CheckConstraint(
                condition=models.Q(paid_amount__gte=0)
                & models.Q(refunded_amount__gte=0)
                & models.Q(refunded_amount__lte=models.F("paid_amount")),
                name="refund_is_within_payment",
                violation_error_message=_("退款不能超过实付，金额不能为负。"),
            ),
        ]
        indexes = [
            # purchases of one member in a window
            models.Index(fields=["member", "paid_at"], name="purchases_of_member"),
            # the list of an enterprise, newest first
            models.Index(fields=["enterprise", "-paid_at", "-id"], name="purchases_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.order_number} ({self.pk})"
