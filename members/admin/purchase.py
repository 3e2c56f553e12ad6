from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.datetime_filters import RangeDateFilter
from unfold.decorators import display

from members.models import Purchase
from scrm.accounts.admin_paging import CappedPaginator
from scrm.accounts.admin_scope import HistoryModelAdmin
from scrm.accounts.rules.roles import Capability


def amount(minor_units: int, currency: str) -> str:
    return f"{currency} {minor_units / 100:,.2f}"


@admin.register(Purchase)
class PurchaseAdmin(HistoryModelAdmin[Purchase]):
    view_capability = Capability.VIEW_MEMBERS
    paginator = CappedPaginator
    list_display = ("order_number", "who", "paid", "refunded", "paid_at", "source")
    list_filter = (("paid_at", RangeDateFilter),)
    list_select_related = ("member",)
    search_fields = ("=order_number", "=member__external_id", "member__nickname")
    search_help_text = _("订单号、客户编号或昵称")
    fields = (
        ("order_number", "source"),
        "member",
        ("paid", "refunded"),
        ("paid_at", "received_at"),
    )
    readonly_fields = (
        "order_number",
        "source",
        "member",
        "paid",
        "refunded",
        "paid_at",
        "received_at",
    )
    ordering = ("-paid_at", "-pk")

    @display(description=_("成员"), header=True)
    def who(self, purchase: Purchase) -> list[str]:
        member = purchase.member
        return [member.nickname, member.external_id, member.nickname[:1]]

    @display(description=_("实付"))
    def paid(self, purchase: Purchase) -> str:
        return amount(purchase.paid_amount, purchase.currency)

    @display(description=_("已退"))
    def refunded(self, purchase: Purchase) -> str:
        if not purchase.refunded_amount:
            return "—"
        return amount(purchase.refunded_amount, purchase.currency)
