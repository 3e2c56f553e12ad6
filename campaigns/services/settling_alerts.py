"""How alerts end: what became of their members, and who may not be watched any more."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db import DatabaseError, transaction
from django.db.models import BooleanField, Exists, F, OuterRef, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now, TruncDate
from django.utils.translation import gettext as _

from campaigns.models import ChurnAlert
from campaigns.models.churn_alert import ChurnAlertQuerySet
from campaigns.rules.alerts import (
    STATUS_OF_OUTCOME,
    Span,
    is_covered,
    outcome_of,
    silence_is_declared_on,
)
from campaigns.rules.status import AlertOutcome
from campaigns.services.churn_alerts import open_churn_alerts
from campaigns.services.winback_ends import call_off_winbacks
from communities.models import Community
from members.models import ChurnScore, Member, MemberDay, Membership
from members.selectors.measuring import measured_spans
from members.selectors.profiling import may_be_profiled
from scrm.accounts.models import Enterprise

logger = logging.getLogger(__name__)

SLICE = 5000  # alerts settled in one transaction
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Settled:
    recovered: int = 0
    churned: int = 0
    expired: int = 0

    def __add__(self, other: Settled) -> Settled:
        return Settled(
            self.recovered + other.recovered,
            self.churned + other.churned,
            self.expired + other.expired,
        )


def settle_churn_alerts(community_id: int, on: date) -> Settled:
    """Record what became of the members of a community's alerts, as far as it can be told on that
    day, and close those that are open. Asking twice, or late, gives the same ends."""
    community = Community.objects.select_related("enterprise").get(pk=community_id)
    covered = measured_spans(community)
    total, last_pk = Settled(), 0
    while pks := next_undecided(community, after=last_pk):
        total += settle_slice(pks, community=community, covered=covered, on=on)
        last_pk = pks[-1]
    return total


def next_undecided(community: Community, *, after: int) -> list[int]:
    alerts = ChurnAlert.objects.undecided().filter(community=community, pk__gt=after)
    return list(alerts.order_by("pk").values_list("pk", flat=True)[:SLICE])


@transaction.atomic
def settle_slice(
    alert_ids: list[int], *, community: Community, covered: list[Span], on: date
) -> Settled:
    ended: dict[AlertOutcome, list[int]] = {outcome: [] for outcome in AlertOutcome}
    for fate in fates_of(alert_ids, community=community, on=on):
        outcome = end_of(fate, covered=covered, on=on)
        if outcome is not None:
            ended[outcome].append(fate.alert_id)
    return Settled(
        recovered=end(ended[AlertOutcome.SAVED], AlertOutcome.SAVED),
        churned=end(ended[AlertOutcome.LOST], AlertOutcome.LOST)
        + end(ended[AlertOutcome.LEFT], AlertOutcome.LEFT),
        expired=end(ended[AlertOutcome.UNMEASURED], AlertOutcome.UNMEASURED),
    )


def end_of(fate: Fate, *, covered: list[Span], on: date) -> AlertOutcome | None:
    last_active_on = fate.last_active_on or fate.opened_on
    deadline = silence_is_declared_on(last_active_on)
    return outcome_of(
        last_active_on=last_active_on,
        seen_again_on=fate.seen_again_on,
        left_on=fate.left_on if fate.left_on is not None and fate.left_on <= on else None,
        is_measured=is_covered(covered, fate.opened_on, deadline),
        on=on,
    )


class Fate(NamedTuple):
    """What became of the member of an alert: first seen again, and gone for good."""

    alert_id: int
    opened_on: date
    last_active_on: date | None
    seen_again_on: date | None
    left_on: date | None


def fates_of(alert_ids: list[int], *, community: Community, on: date) -> Iterator[Fate]:
    days = MemberDay.objects.filter(
        member=OuterRef("member"),
        community=community,
        day__gt=OuterRef("opened_on"),
        day__lte=on,
    )
    belonging = Membership.objects.filter(member=OuterRef("member"), community=community)
    rows = (
        ChurnAlert.objects.filter(pk__in=alert_ids)
        .annotate(
            seen_again_on=Subquery(days.order_by("day").values("day")[:1]),
            # who belongs today has not left: NULL comes first in descending order
            left_on=TruncDate(
                Subquery(belonging.order_by(F("left_at").desc()).values("left_at")[:1]),
                tzinfo=community.enterprise.zone,
            ),
        )
        .values_list("pk", "opened_on", "last_active_on", "seen_again_on", "left_on")
    )
    return (Fate(*row) for row in rows)


def end(alert_ids: list[int], outcome: AlertOutcome, *, note: str = "") -> int:
    """Write down an outcome, and close those of the alerts that are open; how many these are."""
    if not alert_ids:
        return 0
    alerts = ChurnAlert.objects.undecided().filter(pk__in=alert_ids)
    call_off_winbacks(alerts)
    noted = {"note": note} if note else {}
    closed = alerts.open().update(
        status=STATUS_OF_OUTCOME[outcome], outcome=outcome, closed_at=Now(), **noted
    )
    alerts.update(outcome=outcome)
    return closed


def tend_churn_alerts(now: datetime) -> Settled:
    """Settle what can be settled and raise what was missed, community by community.

    The sweep behind the fast path: it needs nothing but the rows.
    """
    total = Settled()
    watched = Community.objects.filter(
        Exists(ChurnAlert.objects.undecided().filter(community=OuterRef("pk")))
        | Exists(ChurnScore.objects.filter(community=OuterRef("pk"), scored_on__gte=yesterday(now)))
    )
    for community in watched.select_related("enterprise").order_by("pk"):
        today = now.astimezone(community.enterprise.zone).date()
        try:
            stop_watching(ChurnAlert.objects.filter(community=community), community.enterprise)
            total += settle_churn_alerts(community.pk, today)
            for day in (today - ONE_DAY, today):
                open_churn_alerts(community.pk, day)
        except DatabaseError:  # one community must not keep the others from being tended
            logger.exception("Churn alerts not tended.", extra={"community_id": community.pk})
    return total


def yesterday(now: datetime) -> date:
    return (now - 2 * ONE_DAY).date()  # wherever the enterprise is


# --- who may not be watched ---


def stop_watching_member(member_id: int) -> int:
    """Somebody said what they think of being profiled: their alerts end if it was no."""
    member = Member.objects.select_related("enterprise").get(pk=member_id)
    return stop_watching(ChurnAlert.objects.filter(member=member), member.enterprise)


@transaction.atomic
def stop_watching(alerts: ChurnAlertQuerySet, enterprise: Enterprise) -> int:
    """Close those of the alerts whose members may not be profiled; how many were open."""
    allowed = may_be_profiled(enterprise, "campaigns_churnalert.member_id")
    is_allowed = RawSQL(allowed.text, allowed.params, BooleanField())  # noqa: S611 - parameters
    refused = alerts.undecided().annotate(is_allowed=is_allowed).filter(is_allowed=False)
    return end(
        list(refused.order_by("pk").values_list("pk", flat=True)),
        AlertOutcome.UNWATCHED,
        note=_("成员没有授权画像，不再预警。"),
    )
