"""What the pages of insight show, as one user may see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns.selectors.community_funnels import community_funnel
from communities.metrics import COMMUNITY_METRICS
from communities.models import Community
from members.selectors.activity_figures import compare_communities, known_figures
from members.selectors.health import Health, health_of
from members.selectors.heat import heat_map
from members.selectors.paths import conversion_paths
from members.selectors.retention import cohorts
from scrm.desk.insight import trends
from scrm.desk.insight.cards import FigureCard, cards_of, figure_in_words, money, percent
from scrm.desk.insight.tables import cohort_rows, funnel_rows, heat_table, path_rows
from scrm.desk.insight.trends import Days
from scrm.desk.memory import remembered
from scrm.shared.figures import Measured

FOUR_WEEKS = timedelta(days=28)
PERIODS = (28, 90, 180)
KEPT = 300  # seconds; what is shown ends with yesterday, and only late reports change it

OVERVIEW = (
    "health",
    "member_count",
    "joined_count",
    "left_count",
    "leave_rate",
    "active_share",
    "buyer_share",
    "gmv",
    "clv",
    "at_risk_count",
    "dormant_count",
    "silent_count",
)
ACTIVITY = (
    "dau",
    "wau",
    "mau",
    "stickiness",
    "wau_mau",
    "speaker_coverage",
    "message_gini",
    "interaction_rate",
    "owner_talk_share",
    "owner_only_days",
    "silent_days",
    "retention_week_4",
)
CONVERSION = (
    "active_share",
    "buyer_share",
    "gmv",
    "clv",
    "orders",
    "advert_share",
    "advert_share_characters",
    "advert_share_reach",
)
ARRANGED = frozenset({*OVERVIEW, *ACTIVITY, *CONVERSION})


@dataclass(frozen=True)
class Frame:
    """Of which community, by which days. ``on`` is the last day that is over."""

    community: Community
    on: date
    days: int

    @classmethod
    def of(cls, community: Community, request: HttpRequest) -> Frame:
        asked = request.GET.get("days", "")
        days = next((period for period in PERIODS if str(period) == asked), PERIODS[0])
        today = timezone.now().astimezone(community.enterprise.zone).date()
        return cls(community, today - timedelta(days=1), days)

    @property
    def since(self) -> date:
        return self.on - timedelta(days=self.days - 1)

    def start_of(self, day: date) -> datetime:
        return datetime.combine(day, time.min, tzinfo=self.community.enterprise.zone)

    def kept[T](self, what: str, compute: Callable[[], T]) -> T:
        """Does not depend on who looks: whoever may open the page may see all of it."""
        key = f"insight:{what}:{self.community.pk}:{self.on}:{self.days}"
        return remembered(key, compute, seconds=KEPT)


# --- one community ------------------------------------------------------------------------------


def insight_of(community: Community, request: HttpRequest) -> dict[str, Any]:
    frame = Frame.of(community, request)
    tabs = {"overview": overview, "activity": activity, "conversion": conversion}
    tab = request.GET.get("tab", "")
    tab = tab if tab in tabs else "overview"
    days = Days.of(community, since=frame.since, until=frame.on)
    names = {"overview": _("总览"), "activity": _("活跃"), "conversion": _("转化")}
    return {
        "title": _("%(name)s · 洞察") % {"name": community.name},
        "community": community,
        "frame": frame,
        "tab": tab,
        "tabs": list(names.items()),
        "periods": PERIODS,
        "measured": days.measured,
        "has_days": any(row is not None for row in days.rows),
        "links": links_of(community),
        **tabs[tab](frame, days),
    }


def links_of(community: Community) -> dict[str, str]:
    narrowed = f"?community__id__exact={community.pk}"
    return {
        "community": reverse("admin:communities_community_change", args=[community.pk]),
        "compare": reverse("admin:members_communityday_compare"),
        "days": reverse("admin:members_communityday_changelist") + narrowed,
        "coverage": reverse("admin:members_activitycoverage_changelist") + narrowed,
    }


def figures_now(frame: Frame, names: tuple[str, ...]) -> Measured:
    wanted = frozenset(names)
    key = "figures:" + names[0]
    return frame.kept(key, lambda: known_figures(frame.community, frame.on, names=wanted))


def figures_before(frame: Frame) -> Measured:
    """Four weeks earlier, as far as they were kept."""
    alone = Community.objects.filter(pk=frame.community.pk)
    found = compare_communities(alone, on=frame.on - FOUR_WEEKS)
    return found[0].figures if found else {}


def figure_cards(frame: Frame, names: tuple[str, ...]) -> list[FigureCard]:
    return cards_of(names, figures_now(frame, names), figures_before(frame))


def others() -> list[str]:
    """Figures that an app registered and no page has a place for."""
    return [one.name for one in COMMUNITY_METRICS if one.name not in ARRANGED]


def overview(frame: Frame, days: Days) -> dict[str, Any]:
    health = frame.kept("health", lambda: health_of(frame.community, on=frame.on))
    return {
        "cards": figure_cards(frame, (*OVERVIEW, *others())),
        "health": health_rows(health),
        "members_chart": trends.members_chart(days),
        "movements_chart": trends.movements_chart(days),
        "actives_chart": trends.actives_chart(days),
        "health_chart": trends.figure_chart(days, ["health"]),
    }


def activity(frame: Frame, days: Days) -> dict[str, Any]:
    heat = frame.kept("heat", lambda: heat_map(frame.community, until=frame.on))
    found = frame.kept("cohorts", lambda: cohorts(frame.community, until=frame.on))
    rows = cohort_rows(found)
    return {
        "cards": figure_cards(frame, ACTIVITY),
        "heat": heat,
        "heat_table": heat_table(heat),
        "cohorts": rows,
        "has_cohorts": any(row.joined for row in rows),
        "voices_chart": trends.voices_chart(days),
        "owner_only": days.owner_only,
        "sticky_chart": trends.figure_chart(days, ["stickiness", "wau_mau"]),
    }


def conversion(frame: Frame, days: Days) -> dict[str, Any]:
    since, until = frame.start_of(frame.since), frame.start_of(frame.on + timedelta(days=1))
    funnel = frame.kept(
        "funnel", lambda: community_funnel(frame.community, since=since, until=until)
    )
    paths = frame.kept(
        "paths", lambda: conversion_paths(frame.community, since=frame.since, until=frame.on)
    )
    return {
        "cards": figure_cards(frame, CONVERSION),
        "verdicts": verdicts_of(figures_now(frame, CONVERSION)),
        "funnel": funnel,
        "funnel_rows": funnel_rows(funnel),
        "paths": path_rows(paths),
        "buyers_chart": trends.buyers_chart(days),
        "sales_chart": trends.sales_chart(days),
        "advert_chart": trends.figure_chart(days, ["advert_share", "advert_share_reach"]),
    }


LIVELY, HARDLY_ANY = 0.5, 0.01


def verdicts_of(now: Measured) -> list[str]:
    """Activity beside orders, and what was sold beside what is expected: alone each misleads."""
    values = {name: figure.value for name, figure in now.items()}
    active, buying = values.get("active_share"), values.get("buyer_share")
    sold, expected = values.get("gmv"), values.get("clv")
    said = []
    if active is not None and buying is not None:
        shares = {"active": percent(active), "buying": percent(buying)}
        said.append(_("近 28 天 %(active)s 的成员活跃，%(buying)s 下过单。") % shares)
        if active >= LIVELY and buying < HARDLY_ANY:
            said.append(_("很热闹，却几乎没有成交：先看漏斗断在哪一步，不要只看活跃率。"))
    if sold is not None and expected is not None:
        amounts = {"sold": money(sold), "expected": money(expected)}
        said.append(
            _("近 28 天成交 %(sold)s；现在的成员未来 12 个月预计净消费 %(expected)s。") % amounts
        )
    return said


@dataclass(frozen=True)
class HealthRow:
    label: str
    weight: int
    percent: int | None
    points: str
    note: str
    figures: str


def health_rows(health: Health) -> list[HealthRow]:
    """Each part with its points: a sum alone says nothing about what to do."""
    words = health_words()
    return [
        HealthRow(
            label=words.get(part.name, part.name),
            weight=part.weight,
            percent=None if part.percentile is None else round(100 * part.percentile),
            points="—" if part.percentile is None else f"{part.weight * part.percentile:.1f}",
            note=str(part.note),
            figures="，".join(
                f"{definition.label} {figure_in_words(figure.value, figure.unit)}"
                for figure in part.figures
                if (definition := COMMUNITY_METRICS.get(figure.name))
            ),
        )
        for part in health.parts
    ]


def health_words() -> dict[str, str]:
    return {
        "stickiness": _("粘性"),
        "retention": _("新成员第 4 周留存"),
        "interaction": _("互动率"),
        "first_reply": _("30 分钟内首次回复"),
        "restraint": _("广告与退群克制"),
    }
