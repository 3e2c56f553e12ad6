"""What happens to the made-up members: activity, orders, applications, alerts, messages.

Through the doors that real data comes through; only dates are moved back afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import batched
from operator import attrgetter

from django.db.models import F

from campaigns.models import Broadcast, ChurnAlert, Run
from campaigns.rules.status import BroadcastStatus, DispatchStatus
from campaigns.services.approving import approve_broadcast, submit_broadcast
from campaigns.services.churn_alerts import (
    acknowledge_alert,
    dismiss_alert,
    open_churn_alerts,
    settle_churn_alerts,
    start_intervening,
)
from campaigns.services.composing import create_broadcast
from campaigns.services.controlling import pause_broadcast
from campaigns.services.draining import drain_slice
from campaigns.services.scheduling import schedule_broadcast, start_broadcast
from members.services.ingestion import ingest_activities
from members.services.purchases import record_purchases
from members.services.scoring import score_community
from scrm.accounts.rules.roles import Capability
from scrm.demo.contents import COMING, DONE, DRAFT, HALFWAY, LATER, TO_CHATS, WAITING, Content
from scrm.demo.founding import Founded
from scrm.demo.history import activity_of, purchases_of
from scrm.demo.people import Person
from scrm.wecom.services.channel_accounts import edit_channel_account

ACTIVITY_SOURCE = "chat-archive"
ORDER_SOURCE = "mini-shop"
BATCH = 10_000
AGAIN = "同一周的第二次通知：这是大家报名过的直播。"


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
    alerts = ChurnAlert.objects.filter(enterprise=founded.enterprise).open().by_stake()
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


# --- what they are sent ---


def talk_to_people(founded: Founded) -> int:
    """Broadcasts in every state an operator meets, sent by the real engine."""
    finish(founded, compose(founded, DONE, "planet"), days_ago=3)
    finish(founded, compose(founded, TO_CHATS, "east", "south", "north", "southwest"), days_ago=1)
    interrupt(founded, compose(founded, HALFWAY, "planet"))
    for content, days in ((COMING, 1), (LATER, 4)):
        broadcast = approved(founded, compose(founded, content, "golden", "corgi"))
        evening = (founded.now + timedelta(days=days)).replace(hour=20, minute=0, second=0)
        schedule_broadcast(broadcast.pk, actor=founded.users["yunying"], scheduled_at=evening)
    for content in WAITING:
        broadcast = compose(founded, content, "british", "ragdoll")
        submit_broadcast(broadcast.pk, actor=founded.users["yunying"])
    compose(founded, DRAFT, "vip")
    return Broadcast.objects.filter(enterprise=founded.enterprise).count()


def compose(founded: Founded, content: Content, *communities: str) -> Broadcast:
    return create_broadcast(
        actor=founded.users["yunying"],
        name=content.name,
        category=content.category,
        body=content.body,
        target=content.target,
        criterion=content.criterion,
        override_reason=AGAIN if content is HALFWAY else "",
        communities=[founded.communities[code] for code in communities],
        channel_account=founded.sandbox,
    )


def approved(founded: Founded, broadcast: Broadcast) -> Broadcast:
    """By as many as it needs: a message to everybody needs two."""
    submit_broadcast(broadcast.pk, actor=founded.users["yunying"])
    for approver in (founded.users["shenhe"], founded.admin):
        broadcast = approve_broadcast(broadcast.pk, actor=approver, accepts_override=True)
        if broadcast.status == BroadcastStatus.APPROVED:
            break
    return broadcast


def started(founded: Founded, broadcast: Broadcast) -> Run:
    approved(founded, broadcast)
    schedule_broadcast(broadcast.pk, actor=founded.users["yunying"])
    run = start_broadcast(broadcast.pk)
    if run is None:
        raise RuntimeError(f"Broadcast {broadcast.pk} did not start.")
    return run


def finish(founded: Founded, broadcast: Broadcast, *, days_ago: int) -> None:
    run = started(founded, broadcast)
    while drain_slice():
        pass
    back = timedelta(days=days_ago, hours=1)
    Run.objects.filter(pk=run.pk).update(
        planned_for=F("planned_for") - back,
        started_at=F("started_at") - back,
        finished_at=F("finished_at") - back,
    )
    Broadcast.objects.filter(pk=broadcast.pk).update(
        scheduled_at=F("scheduled_at") - back,
        approved_at=F("approved_at") - back,
        created_at=F("created_at") - back - timedelta(hours=3),
    )


def interrupt(founded: Founded, broadcast: Broadcast) -> None:
    """Somebody paused it after the first batch: through a slow channel one turn sends just one."""
    run = started(founded, broadcast)
    edit_channel_account(founded.sandbox.pk, actor=founded.admin, delay_ms=300)
    while not run.dispatches.filter(status=DispatchStatus.DONE).exists():
        drain_slice(seconds=0.05)
    pause_broadcast(broadcast.pk, actor=founded.users["yunying"])
    edit_channel_account(founded.sandbox.pk, actor=founded.admin, delay_ms=0)
