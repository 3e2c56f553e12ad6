from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin.datetime_filters import RangeDateFilter, RangeDateTimeFilter
from unfold.contrib.filters.admin.dropdown_filters import MultipleChoicesDropdownFilter
from unfold.decorators import display

from members.admin.words import NOTHING
from members.models import ActivityCoverage, ActivityEvent, MemberDay
from scrm.accounts.admin_paging import CappedPaginator
from scrm.accounts.admin_scope import HistoryModelAdmin
from scrm.accounts.rules.roles import Capability


@admin.register(ActivityEvent)
class ActivityEventAdmin(HistoryModelAdmin[ActivityEvent]):
    """What was reported, newest first. No row is a link: an id alone is looked for everywhere."""

    view_capability = Capability.VIEW_MEMBERS
    paginator = CappedPaginator
    list_display = ("occurred_at", "who", "community", "kind_label", "thread", "source")
    list_display_links = None
    list_filter = (
        "community",
        ("kind", MultipleChoicesDropdownFilter),
        ("occurred_at", RangeDateTimeFilter),
    )
    list_select_related = ("member", "staff", "community")
    search_fields = ("=member__external_id",)
    search_help_text = _("客户编号")
    fields = (
        ("member", "staff", "community"),
        ("kind", "thread"),
        ("occurred_at", "received_at"),
        ("source", "dedupe_key"),
    )
    readonly_fields = (
        "member",
        "staff",
        "community",
        "kind",
        "thread",
        "occurred_at",
        "received_at",
        "source",
        "dedupe_key",
    )
    ordering = ("-occurred_at", "-pk")

    @display(description=_("谁"), header=True)
    def who(self, event: ActivityEvent) -> list[str]:
        if event.member is not None:
            return [event.member.nickname, event.member.external_id, event.member.nickname[:1]]
        colleague = event.staff.name if event.staff is not None else NOTHING
        return [colleague, gettext("员工"), colleague[:1]]

    @display(description=_("类型"), label=True)
    def kind_label(self, event: ActivityEvent) -> str:
        return event.get_kind_display()


COUNTS = (
    "message_count",
    "post_count",
    "comment_count",
    "checkin_count",
    "click_count",
    "other_count",
    "thread_count",
)


@admin.register(MemberDay)
class MemberDayAdmin(HistoryModelAdmin[MemberDay]):
    view_capability = Capability.VIEW_MEMBERS
    paginator = CappedPaginator
    list_display = ("day", "who", "community", *COUNTS)
    list_filter = ("community", ("day", RangeDateFilter))
    list_select_related = ("member", "community")
    search_fields = ("=member__external_id",)
    search_help_text = _("客户编号")
    fields = (("member", "community"), "day", *COUNTS)
    readonly_fields = ("member", "community", "day", *COUNTS)
    ordering = ("-day", "-pk")

    @display(description=_("成员"), header=True)
    def who(self, day: MemberDay) -> list[str]:
        return [day.member.nickname, day.member.external_id, day.member.nickname[:1]]


@admin.register(ActivityCoverage)
class ActivityCoverageAdmin(HistoryModelAdmin[ActivityCoverage]):
    """Where silence means something, and where nobody listened."""

    view_capability = Capability.VIEW_MEMBERS
    list_display = ("community", "source", "covered_from", "covered_to")
    list_filter = ("community",)
    list_select_related = ("community",)
    search_fields = ("community__name", "source")
    fields = ("community", "source", ("covered_from", "covered_to"))
    readonly_fields = ("community", "source", "covered_from", "covered_to")
    ordering = ("community__name", "pk")
