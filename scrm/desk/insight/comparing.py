"""Communities beside each other, by the figures of last night."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.metrics import COMMUNITY_METRICS
from communities.models import Community
from communities.rules.status import OPEN_FOR_ENTRY
from members.selectors.activity_figures import CommunityLine, compare_communities
from scrm.accounts.models import User
from scrm.desk.insight.cards import alarm_of, figure_in_words, hint_of
from scrm.shared.figures import FigureDefinition

COLUMNS = (
    "member_count",
    "health",
    "active_share",
    "buyer_share",
    "stickiness",
    "retention_week_4",
    "owner_talk_share",
    "gmv",
    "clv",
    "at_risk_count",
    "advert_share",
)
PAGE_SIZE = 50
BY_NAME = "name"


@dataclass(frozen=True)
class Column:
    name: str
    label: str
    hint: str
    link: str
    is_sorted: bool


@dataclass(frozen=True)
class CompareCell:
    words: str
    note: str
    alarm: str


@dataclass(frozen=True)
class CompareRow:
    name: str
    status: str
    link: str
    cells: list[CompareCell]
    day: date | None


@dataclass(frozen=True)
class Order:
    """``?sort=-stickiness``: the largest first."""

    name: str
    is_descending: bool

    @classmethod
    def of(cls, request: HttpRequest) -> Order:
        asked = request.GET.get("sort", "")
        name = asked.removeprefix("-")
        known = name in {BY_NAME, *COLUMNS}
        return cls(name if known else BY_NAME, asked.startswith("-") and known)

    def link_to(self, name: str) -> str:
        """The same column again turns it round; another begins with the largest."""
        if name == self.name:
            return f"?sort={'' if self.is_descending else '-'}{name}"
        return f"?sort={'' if name == BY_NAME else '-'}{name}"


def comparison_of(user: User, request: HttpRequest) -> dict[str, Any]:
    today = timezone.now().astimezone(user.enterprise.zone).date()
    running = Community.objects.visible_to(user).filter(status__in=OPEN_FOR_ENTRY)
    lines = {
        line.community_id: line
        for line in compare_communities(running, on=today - timedelta(days=1))
    }
    order = Order.of(request)
    found = sorted(running.order_by("name", "pk"), key=lambda one: one.name)
    if order.name != BY_NAME:
        found = by_figure(found, lines, order)
    elif order.is_descending:
        found.reverse()
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    columns = shown_columns()
    return {
        "title": _("社群洞察"),
        "columns": [column_of(column, order) for column in columns],
        "by_name": order.link_to(BY_NAME),
        "rows": [row_of(one, lines.get(one.pk), columns) for one in page],
        "page": page,
        "sort": request.GET.get("sort", ""),
        "counted": len(lines),
    }


def shown_columns() -> list[FigureDefinition]:
    found = (COMMUNITY_METRICS.get(name) for name in COLUMNS)
    return [definition for definition in found if definition is not None]


def by_figure(
    communities: list[Community], lines: dict[int, CommunityLine], order: Order
) -> list[Community]:
    """By a figure; those without it come last either way."""

    def value_of(one: Community) -> float | None:
        figure = lines[one.pk].figures.get(order.name) if one.pk in lines else None
        return figure.value if figure else None

    known = [(value, one) for one in communities if (value := value_of(one)) is not None]
    known.sort(key=lambda pair: pair[0], reverse=order.is_descending)
    return [one for _value, one in known] + [one for one in communities if value_of(one) is None]


def column_of(definition: FigureDefinition, order: Order) -> Column:
    return Column(
        name=definition.name,
        label=str(definition.label),
        hint=hint_of(definition),
        link=order.link_to(definition.name),
        is_sorted=order.name == definition.name,
    )


def row_of(
    community: Community, line: CommunityLine | None, columns: list[FigureDefinition]
) -> CompareRow:
    return CompareRow(
        name=community.name,
        status=str(community.get_status_display()),
        link=reverse("admin:members_communityday_insight", args=[community.pk]),
        cells=[cell_of(line, definition) for definition in columns],
        day=line.day if line else None,
    )


def cell_of(line: CommunityLine | None, definition: FigureDefinition) -> CompareCell:
    figure = line.figures.get(definition.name) if line else None
    value = figure.value if figure else None
    return CompareCell(
        words=figure_in_words(value, definition.unit),
        note=str(figure.note) if figure else _("还没有计算"),
        alarm=alarm_of(definition.name, value),
    )
