from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.datetime_filters import RangeDateFilter
from unfold.decorators import display

from communities.models import OwnerDay
from members.selectors.owner_days import OwnCounts, own_counts
from scrm.accounts.admin_paging import CappedPaginator
from scrm.accounts.admin_scope import HistoryModelAdmin
from scrm.accounts.rules.roles import Capability

NOTHING = "—"
COUNTS = (
    ("chat_count", "new_chat_count", "chat_with_messages_count"),
    ("member_count", "new_member_count", "speaker_count"),
    ("message_total", "fetched_at"),
)


@admin.register(OwnerDay)
class OwnerDayAdmin(HistoryModelAdmin[OwnerDay]):
    """What the platform counted beside what we know ourselves, with the difference."""

    view_capability = Capability.VIEW_MEMBERS
    paginator = CappedPaginator
    list_display = ("day", "who", "chats", "people", "newcomers", "speakers", "messages")
    list_filter = (("day", RangeDateFilter),)
    list_select_related = ("staff", "connection")
    list_per_page = 50
    search_fields = ("userid", "staff__name")
    search_help_text = _("群主姓名或平台账号")
    fields = (("day", "userid", "staff"), *COUNTS)
    readonly_fields = ("day", "userid", "staff", *(name for row in COUNTS for name in row))
    ordering = ("-day", "-pk")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """With our own counts of the rows on this page."""
        page = super().get_changelist_instance(request)
        rows = list(page.result_list)
        counts = own_counts(rows)
        for row in rows:
            row.own = counts[row.pk]
        page.result_list = rows
        return page

    @display(description=_("群主"), header=True)
    def who(self, day: OwnerDay) -> list[str]:
        name = day.staff.name if day.staff else day.userid
        return [name, day.userid, name[:1]]

    @display(description=_("群（平台 / 我们）"))
    def chats(self, day: OwnerDay) -> str:
        return beside(day.chat_count, _own(day).chat_count)

    @display(description=_("群成员（平台 / 我们）"))
    def people(self, day: OwnerDay) -> str:
        return beside(day.member_count, _own(day).member_count)

    @display(description=_("新增成员（平台 / 我们）"))
    def newcomers(self, day: OwnerDay) -> str:
        return beside(day.new_member_count, _own(day).new_member_count)

    @display(description=_("发言成员（平台 / 我们）"))
    def speakers(self, day: OwnerDay) -> str:
        return beside(day.speaker_count, _own(day).speaker_count)

    @display(description=_("消息（平台 / 我们）"))
    def messages(self, day: OwnerDay) -> str:
        return beside(_own(day).platform_messages, _own(day).message_count)


def _own(day: Any) -> OwnCounts:
    own: OwnCounts = day.own  # put there with the page
    return own


def beside(platform: int | None, ours: int | None) -> str:
    """Both numbers, and how far they are apart."""
    there = NOTHING if platform is None else f"{platform:,}"
    if ours is None:
        return gettext("%(there)s / 没有数据") % {"there": there}
    words = f"{there} / {ours:,}"
    if platform is None or platform == ours:
        return words
    return f"{words}（{ours - platform:+,}）"
