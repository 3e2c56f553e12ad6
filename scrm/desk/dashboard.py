"""The landing page of the admin: what is due today first, then how things stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from campaigns.alert_words import reason_chips, risk_bar, value_in_words
from campaigns.models import ChurnAlert
from scrm.accounts.models import User
from scrm.desk import broadcasts, numbers, transfers
from scrm.desk.charts import Chart, bars, lines
from scrm.desk.health import weakest_rows
from scrm.desk.links import RUNNING_COMMUNITIES, changelist
from scrm.desk.memory import remembered
from scrm.desk.numbers import Compared, Desk
from scrm.desk.todos import todos

TRENDS_ARE_KEPT = 60  # seconds; what is due today is always counted afresh


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's DASHBOARD_CALLBACK."""
    if not isinstance(request.user, User):
        return context
    desk = Desk(request.user, timezone.now())
    trends = remembered(
        f"desk:{desk.user.pk}:{desk.today}", lambda: Trends.of(desk), seconds=TRENDS_ARE_KEPT
    )
    return {
        **context,
        "title": _("今日工作台"),
        "cards": list(cards(desk, trends)),
        "todos": list(todos(desk)),
        "progress": broadcasts.progress(desk),
        "scheduled": broadcasts.scheduled(desk),
        "cases": transfers.case_progress(desk),
        "all_cases": changelist("communities.resignationcase"),
        "at_stake": [at_stake(alert) for alert in numbers.most_at_stake(desk)],
        "weakest": weakest_rows(desk),
        "compare": reverse("admin:members_communityday_compare"),
        "charts": charts(trends),
        "counted_at": trends.counted_at,
        "all_alerts": changelist("campaigns.churnalert"),
        "all_broadcasts": changelist("campaigns.broadcast"),
        "planned_broadcasts": reverse("admin:campaigns_broadcast_planned"),
    }


@dataclass(frozen=True)
class Trends:
    """The numbers that hardly change from one minute to the next."""

    communities: Compared
    people: Compared
    active_people: Compared
    movements: list[numbers.Movement]
    active_per_day: list[tuple[date, int]]
    sizes: list[numbers.Size]
    tiers: list[numbers.Size]
    counted_at: datetime

    @classmethod
    def of(cls, desk: Desk) -> Trends:
        return cls(
            communities=numbers.running_communities(desk),
            people=numbers.people(desk),
            active_people=numbers.active_people(desk),
            movements=numbers.movements(desk),
            active_per_day=numbers.active_per_day(desk),
            sizes=numbers.largest_communities(desk),
            tiers=numbers.tier_sizes(desk),
            counted_at=desk.now,
        )


@dataclass(frozen=True)
class Card:
    """One number with its change since last week, and the list that makes it."""

    title: str
    hint: str
    icon: str
    value: str
    change: str
    tone: str  # good, bad or flat
    link: str


def cards(desk: Desk, trends: Trends) -> Iterator[Card]:
    yield card(
        _("运营中的社群"),
        trends.communities,
        hint=_("招募中、预热中和运营中的社群"),
        icon="forum",
        link=changelist("communities.community", RUNNING_COMMUNITIES),
    )
    yield card(
        _("在群成员"),
        trends.people,
        hint=_("至少在一个社群里的人，不重复计"),
        icon="groups",
        link=changelist("members.membership", "left_at__isnull=True"),
    )
    yield card(
        _("近 7 天活跃"),
        trends.active_people,
        hint=_("有发言、打卡、点击等任何活跃迹象的人，不重复计"),
        icon="bolt",
        link=changelist("members.memberday", f"day__gte={desk.today - timedelta(days=6)}"),
    )
    yield card(
        _("流失预警"),
        numbers.open_alerts(desk),
        hint=_("未关闭的预警"),
        icon="trending_down",
        link=changelist("campaigns.churnalert"),
        more_is_better=False,
    )


def card(
    title: str, number: Compared, *, hint: str, icon: str, link: str, more_is_better: bool = True
) -> Card:
    is_better = (number.change > 0) is more_is_better
    return Card(
        title=title,
        hint=hint,
        icon=icon,
        value=f"{number.now:,}",
        change=change_in_words(number),
        tone="flat" if number.change == 0 else "good" if is_better else "bad",
        link=link,
    )


def change_in_words(number: Compared) -> str:
    if number.change == 0:
        return _("与上周持平")
    if number.percent is None:
        return _("较上周 %(change)s") % {"change": f"{number.change:+,d}"}
    facts = {"change": f"{number.change:+,d}", "percent": f"{number.percent:+.1f}"}
    return _("较上周 %(change)s（%(percent)s%%）") % facts


@dataclass(frozen=True)
class AtStake:
    """One alert as a row of the desk."""

    link: str
    member: str
    community: str
    risk: SafeString
    value: str
    reasons: SafeString | str
    assignee: str
    status: str


def at_stake(alert: ChurnAlert) -> AtStake:
    return AtStake(
        link=reverse("admin:campaigns_churnalert_change", args=[alert.pk]),
        member=alert.member.nickname,
        community=alert.community.name,
        risk=risk_bar(alert.probability),
        value=value_in_words(alert),
        reasons=reason_chips(alert, strongest=2),
        assignee=alert.assignee.name if alert.assignee else "",
        status=alert.get_status_display(),
    )


def charts(trends: Trends) -> dict[str, Chart]:
    days = [date_format(movement.day, "m-d") for movement in trends.movements]
    members = _("成员")
    return {
        "movements": lines(
            days,
            {
                _("加入"): [movement.joined for movement in trends.movements],
                _("离开"): [movement.left for movement in trends.movements],
            },
        ),
        "active": bars(days, _("活跃成员"), [count for _day, count in trends.active_per_day]),
        "sizes": horizontal(trends.sizes, members),
        "tiers": horizontal(trends.tiers, members),
    }


def horizontal(sizes: list[numbers.Size], name: str) -> Chart:
    names, counts = [size.name for size in sizes], [size.count for size in sizes]
    return bars(names, name, counts, is_horizontal=True)
