from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from campaigns.models import Schedule
from campaigns.progress_words import STATUS_COLOURS
from campaigns.rules.recurrence import Rule
from campaigns.rules.status import AWAITING_TIME
from campaigns.schedule_words import words_of
from campaigns.selectors.calendar import rule_of, unknown_years, upcoming_by
from campaigns.services.schedules import end_schedule
from scrm.accounts.admin_scope import HistoryModelAdmin, confirm
from scrm.accounts.rules.roles import Capability
from scrm.shared.clock import database_now

NONE = "—"


@admin.register(Schedule)
class ScheduleAdmin(HistoryModelAdmin[Schedule]):
    """What recurs, and when next. A schedule is written in the composer of its broadcast."""

    view_capability = Capability.VIEW_CAMPAIGNS
    action_capabilities = {"run": Capability.COMPOSE_CAMPAIGNS}
    list_display = ("name", "words", "state", "next_at", "occurrence_count")
    list_filter = ("kind",)
    list_select_related = ("broadcast__enterprise", "tier")
    search_fields = ("broadcast__name",)
    ordering = ("-pk",)
    fields = ("of_broadcast", "words", ("starts_on", "ends_on"), "times", "happened")
    readonly_fields = ("of_broadcast", "words", "times", "happened")
    actions_detail = ("end",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Schedule]:
        rows: models.QuerySet[Schedule] = super().get_queryset(request)
        return rows.select_related("broadcast__enterprise", "tier")

    def idle_buttons(self, row: Schedule) -> set[str]:
        return set() if row.broadcast.status in AWAITING_TIME else {"end"}

    @display(description=_("群发"), ordering="broadcast__name")
    def name(self, schedule: Schedule) -> str:
        return schedule.broadcast.name

    @display(description=_("群发"))
    def of_broadcast(self, schedule: Schedule) -> SafeString:
        url = reverse("admin:campaigns_broadcast_change", args=[schedule.broadcast_id])
        return format_html('<a class="underline" href="{}">{}</a>', url, schedule.broadcast.name)

    @display(description=_("排期"))
    def words(self, schedule: Schedule) -> str:
        return words_of(schedule)

    @display(description=_("状态"), label=STATUS_COLOURS)
    def state(self, schedule: Schedule) -> tuple[str, str]:
        return schedule.broadcast.status, schedule.broadcast.get_status_display()

    @display(description=_("下一次"), ordering="broadcast__scheduled_at")
    def next_at(self, schedule: Schedule) -> str:
        at = schedule.broadcast.scheduled_at
        return NONE if at is None else in_zone(at, rule_of(schedule))

    @display(description=_("接下来五次"))
    def times(self, schedule: Schedule) -> SafeString | str:
        times = upcoming_by(schedule.broadcast, schedule, now=database_now())
        if not times:
            return gettext("以后不再发生")
        rule = rule_of(schedule)
        lines = format_html_join("", "<div>{}</div>", ([in_zone(at, rule)] for at in times))
        years = unknown_years(schedule.broadcast, times, schedule)
        return format_html("{}<div>{}</div>", lines, unknown_in_words(years)) if years else lines

    @display(description=_("已发生"))
    def happened(self, schedule: Schedule) -> str:
        if schedule.max_count is None:
            return gettext("%(count)d 次") % {"count": schedule.occurrence_count}
        words = gettext("%(count)d 次，最多 %(most)d 次")
        return words % {"count": schedule.occurrence_count, "most": schedule.max_count}

    @action(
        description=_("结束排期"),
        icon="event_busy",
        permissions=["run"],
        dialog=confirm(_("以后不再发生？"), _("已经开始的照常发完；结束后不能再恢复。")),
    )
    def end(self, request: HttpRequest, form: object, object_id: str) -> HttpResponse:
        broadcast_id = self.row(request, object_id).broadcast_id
        return self.run_on_row(
            request,
            object_id,
            lambda _pk, actor: end_schedule(broadcast_id, actor=actor),
            done=gettext("排期已结束。"),
        )


def in_zone(at: datetime, rule: Rule) -> str:
    return date_format(at.astimezone(rule.zone), "Y-m-d (D) H:i")


def unknown_in_words(years: Iterable[int]) -> str:
    words = gettext("%(years)s 年的调休安排还没公布，暂按周末和法定节日计算。")
    return words % {"years": "、".join(map(str, years))}
