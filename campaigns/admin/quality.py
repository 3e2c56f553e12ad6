"""The page that says how right predictions and alerts were."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from campaigns.quality_words import page_of
from campaigns.selectors.alert_quality import MONTHS, quality_for
from communities.models import Community
from scrm.accounts.models import User
from scrm.shared.clock import database_now

PLACE = "admin/campaigns/churnalert/quality.html"
SPANS = (3, 6, 12, 24)
MAX_DIGITS = 17


def quality_page(request: HttpRequest, *, user: User, context: dict[str, Any]) -> HttpResponse:
    communities = Community.objects.visible_to(user).order_by("name", "pk")
    asked, span = number_in(request, "community"), number_in(request, "months")
    chosen = communities.filter(pk=asked).first() if asked else None
    months = span if span in SPANS else MONTHS
    today = database_now().astimezone(user.enterprise.zone).date()
    quality = quality_for(user, today=today, months=months, community=chosen)
    context |= {
        "title": _("预警质量"),
        "communities": list(communities.values_list("pk", "name")),
        "chosen": chosen.pk if chosen else None,
        "spans": SPANS,
        "months": months,
        "quality": page_of(quality),
    }
    return TemplateResponse(request, PLACE, context)


def number_in(request: HttpRequest, name: str) -> int:
    """0 for what is no number."""
    text = request.GET.get(name, "")
    fits = text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS
    return int(text) if fits else 0
