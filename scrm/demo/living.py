"""What happens to the made-up members: activity, orders, alerts.

Through the doors that real data comes through; only dates are moved back afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import batched
from operator import attrgetter

from campaigns.models import ChurnAlert
from campaigns.services.churn_alerts import (
    acknowledge_alert,
    dismiss_alert,
    open_churn_alerts,
    start_intervening,
)
from campaigns.services.settling_alerts import settle_churn_alerts
from members.services.ingestion import ingest_activities
from members.services.purchases import record_purchases
from members.services.scoring import score_community
from scrm.accounts.rules.roles import Capability
from scrm.demo.founding import Founded
from scrm.demo.history import activity_of, purchases_of
from scrm.demo.people import Person

ACTIVITY_SOURCE = "chat-archive"
ORDER_SOURCE = "mini-shop"
BATCH = 10_000


def record_activity(founded: Founded, people: Iterable[Person], *, seed: int) -> int:
    """In the order of time, as a log would come."""
    logs = (activity_of(person, now=founded.now, seed=seed) for person in people)
    events = sorted((event for log in logs for event in log), key=attrgetter("occurred_at"))
    accepted = 0
    for batch in batched(events, BATCH):
        result = ingest_activities(
            founded.enterprise, batch, source=ACTIVITY_SOURCE, now=founded.now
        )
        accepted += result.accepted
    return accepted


def record_orders(founded: Founded, people: Iterable[Person], *, seed: int) -> int:
    orders = (
        order for person in people for order in purchases_of(person, now=founded.now, seed=seed)
    )
    return sum(
        record_purchases(founded.enterprise, batch, source=ORDER_SOURCE, now=founded.now).accepted
        for batch in batched(orders, BATCH)
    )


# --- who is about to fall silent ---

SCORED_DAYS_AGO = (35, 28, 21, 14, 7, 0)


def watch_for_churn(founded: Founded) -> int:
    """Score and alert as the daily jobs would have done on some days of the past weeks."""
    for ago in SCORED_DAYS_AGO:
        at = founded.now - timedelta(days=ago)
        for community in founded.communities.values():
            score_community(community.pk, on=at.date())
            open_churn_alerts(community.pk, at.date())
            settle_churn_alerts(community.pk, at.date())
        raised = ChurnAlert.objects.filter(enterprise=founded.enterprise)
        raised.filter(opened_on=at.date()).update(opened_at=at)
        raised.filter(closed_at__gt=at).update(closed_at=at)
    alerts = ChurnAlert.objects.visible_to(founded.admin).open().by_stake()
    work_on_alerts(founded, list(alerts))
    return len(alerts)


def work_on_alerts(founded: Founded, alerts: list[ChurnAlert]) -> None:
    """Colleagues with a login take on some of their own; most still wait."""
    users = (founded.admin, *founded.users.values())
    workers = {user.staff_id: user for user in users if user.can(Capability.WORK_ALERTS)}
    mine = [alert for alert in alerts if alert.assignee_id in workers]
    for number, alert in enumerate(mine):
        actor = workers[alert.assignee_id]
        match number % 7:
            case 2:
                acknowledge_alert(alert.pk, actor=actor)
            case 4:
                start_intervening(alert.pk, actor=actor)
            case 6 if number > len(mine) // 2:
                dismiss_alert(alert.pk, reason="已转为到店客户，线下维护", actor=actor)
