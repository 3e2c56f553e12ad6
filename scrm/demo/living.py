"""What happens to the made-up members: activity, orders, alerts.

Through the doors that real data comes through; only dates are moved back afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from itertools import batched
from operator import attrgetter

from campaigns.models import ChurnAlert, WinbackAction
from campaigns.rules.status import AlertStatus
from campaigns.services.churn_alerts import (
    acknowledge_alert,
    dismiss_alert,
    open_churn_alerts,
    start_intervening,
)
from campaigns.services.settling_alerts import settle_churn_alerts
from campaigns.services.winback import plan_tasks
from campaigns.services.winback_ends import complete_winback
from members.services.ingestion import ingest_activities
from members.services.purchases import record_purchases
from members.services.scoring import score_community
from scrm.accounts.rules.roles import Capability
from scrm.demo.founding import Founded
from scrm.demo.history import activity_of, purchases_of
from scrm.demo.looking_back import mondays, value_people
from scrm.demo.people import Person

ACTIVITY_SOURCE = "chat-archive"
ORDER_SOURCE = "mini-shop"
BATCH = 10_000
CALLED_A_WEEK = 12
CALL = "打电话问问近况，送一次免费驱虫"


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


def watch_for_churn(founded: Founded) -> int:
    """Value, score and alert as the nights would have done on the Mondays of the past weeks and
    today; what was said first is decided by now."""
    first, *others = mondays(founded)
    value_people(founded, on=first)
    for day in (first, *others):
        alert_on(founded, day)
        act_on_some(founded, day)
    value_people(founded, on=founded.now.date())
    alert_on(founded, founded.now.date())
    alerts = ChurnAlert.objects.visible_to(founded.admin).open().by_stake()
    untouched = alerts.filter(status=AlertStatus.OPEN, is_held_out=False)
    work_on_alerts(founded, list(untouched))
    return len(alerts)


def alert_on(founded: Founded, day: date) -> None:
    at = founded.now - (founded.now.date() - day)
    for community in founded.communities.values():
        score_community(community.pk, on=day)
        open_churn_alerts(community.pk, day)
        settle_churn_alerts(community.pk, day)
    raised = ChurnAlert.objects.filter(enterprise=founded.enterprise)
    raised.filter(opened_on=day).update(opened_at=at)
    raised.filter(closed_at__gt=at).update(closed_at=at)


def act_on_some(founded: Founded, day: date) -> None:
    """Of those raised on a day of the past, every other one is called, the most at stake first."""
    at = founded.now - (founded.now.date() - day) + timedelta(hours=4)
    raised = ChurnAlert.objects.visible_to(founded.admin).open().by_stake()
    called = list(raised.filter(opened_on=day, is_held_out=False))[::2][:CALLED_A_WEEK]
    planned = plan_tasks([alert.pk for alert in called], note=CALL, actor=founded.admin)
    for action in planned.actions:
        complete_winback(action.pk, note="已电话联系", actor=founded.admin)
    WinbackAction.objects.filter(pk__in=[one.pk for one in planned.actions]).update(
        created_at=at, done_at=at + timedelta(hours=2)
    )


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
