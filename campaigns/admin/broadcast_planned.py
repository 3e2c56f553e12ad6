"""What is to be sent in the next days, day by day, and where it comes thick."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from campaigns.models import Broadcast
from campaigns.progress_words import STATUS_COLOURS
from campaigns.rules.status import AWAITING_TIME, BroadcastStatus
from campaigns.selectors.calendar import PlannedTime, planned_until
from communities.models import Community
from scrm.accounts.models import User
from scrm.shared.clock import database_now

DAYS = 30
NAMES_SHOWN = 3
PLACE = "admin/campaigns/broadcast/planned.html"


@dataclass(frozen=True)
class Entry:
    """One beginning of one broadcast."""

    at: datetime
    name: str
    category: str
    status: str
    tone: str
    places: str
    link: str


@dataclass
class Day:
    """``crowded``: the communities that get more than one on this day."""

    day: date
    entries: list[Entry] = field(default_factory=list)
    crowded: list[str] = field(default_factory=list)


def planned_page(request: HttpRequest, *, user: User, context: dict[str, Any]) -> HttpResponse:
    communities = Community.objects.visible_to(user).order_by("name", "pk")
    asked = request.GET.get("community", "")
    chosen = communities.filter(pk=asked).first() if is_number(asked) else None
    context |= {
        "title": _("发送日历"),
        "days": planned_days(user, now=database_now(), community=chosen),
        "communities": list(communities.values_list("pk", "name")),
        "chosen": chosen.pk if chosen else None,
        "span": DAYS,
    }
    return TemplateResponse(request, PLACE, context)


def planned_days(user: User, *, now: datetime, community: Community | None = None) -> list[Day]:
    """Every day with something on it, by the calendar of the enterprise."""
    zone = user.enterprise.zone
    last = now.astimezone(zone).date() + timedelta(days=DAYS)
    until = datetime.combine(last, time.min, tzinfo=zone)
    waiting = Broadcast.objects.visible_to(user).filter(
        status__in=AWAITING_TIME, scheduled_at__lt=until
    )
    if community is not None:
        waiting = waiting.filter(communities=community)
    broadcasts = list(waiting.prefetch_related("communities").order_by("pk"))
    days: dict[date, Day] = {}
    places: dict[date, Counter[str]] = defaultdict(Counter)
    for planned in planned_until(broadcasts, now=now, until=until):
        day = planned.at.astimezone(zone).date()
        names = [one.name for one in planned.broadcast.communities.all()]
        days.setdefault(day, Day(day)).entries.append(entry_of(planned, names, user))
        places[day].update(names)
    for day, found in days.items():
        found.crowded = sorted(name for name, count in places[day].items() if count > 1)
    return [days[day] for day in sorted(days)]


def entry_of(planned: PlannedTime, names: list[str], user: User) -> Entry:
    broadcast = planned.broadcast
    shown = "、".join(names[:NAMES_SHOWN])
    if len(names) > NAMES_SHOWN:
        shown = _("%(names)s 等 %(count)d 个") % {"names": shown, "count": len(names)}
    return Entry(
        at=planned.at.astimezone(user.enterprise.zone),
        name=broadcast.name,
        category=broadcast.get_category_display(),
        status=broadcast.get_status_display(),
        tone=STATUS_COLOURS.get(BroadcastStatus(broadcast.status), ""),
        places=shown,
        link=reverse("admin:campaigns_broadcast_change", args=[broadcast.pk]),
    )


def is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 18
