"""When this happens, do that."""

from __future__ import annotations

from datetime import date, datetime
from functools import partial

from django.db import transaction
from django.dispatch import receiver

from campaigns import tasks
from campaigns.services.approving import settle_tasks_of
from campaigns.services.contact_welcoming import plan_contact_welcome
from campaigns.services.contents import note_measured
from campaigns.services.experimenting import note_start
from campaigns.services.forgetting import forget_member
from campaigns.services.missed import drop_questions
from campaigns.services.occasions import note_tiers_reached
from campaigns.services.passing_on_alerts import pass_on_alerts
from campaigns.services.planning_welcomes import plan_welcome, plan_welcomes
from campaigns.services.polled_results import hurry_account
from campaigns.services.reporting import begin_report
from campaigns.services.settling_alerts import stop_watching_member
from campaigns.services.split_invitations import draft_split_broadcast
from campaigns.services.watching import begin_watching, end_alarm
from campaigns.services.winback_ends import follow_broadcast, follow_task
from campaigns.signals import (
    audience_frozen,
    broadcast_cancelled,
    broadcast_finished,
    broadcast_halted,
    broadcast_resumed,
    broadcast_started,
    contact_welcome_planned,
    early_freezing_asked,
    look_asked,
    run_reported,
    segment_draw_asked,
    welcome_planned,
)
from members.rules.standing import ConsentPurpose
from members.signals import (
    churn_scored,
    consent_recorded,
    contact_added,
    member_erased,
    member_joined,
    members_joined,
    split_invited,
    tiers_changed,
)
from scrm.accounts.models import User
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.signals import staff_deactivated, task_closed
from scrm.shared.waking import wake
from scrm.wecom.signals import clock_heard


@receiver(member_joined)
def welcome_newcomer(*, stay_id: int | None = None, **_: object) -> None:
    if stay_id is not None:
        plan_welcome(stay_id)


@receiver(member_erased)
def forget_what_was_sent(*, member_id: int, **_: object) -> None:
    forget_member(member_id)


@receiver(members_joined)
def welcome_newcomers(*, stay_ids: list[int], **_: object) -> None:
    plan_welcomes(stay_ids)


@receiver(contact_added)
def greet_contact(*, follow_id: int, welcome_code: str, occurred_at: datetime, **_: object) -> None:
    plan_contact_welcome(follow_id, code=welcome_code, occurred_at=occurred_at)


@receiver(contact_welcome_planned)
def hurry_contact_welcomes(**_: object) -> None:
    transaction.on_commit(partial(wake, tasks.send_contact_welcomes), robust=True)


@receiver(welcome_planned)
def hurry_welcomes(**_: object) -> None:
    transaction.on_commit(partial(wake, tasks.send_due_welcomes), robust=True)


@receiver(broadcast_started)
def begin_the_experiment(*, run_id: int, **_: object) -> None:
    note_start(run_id)


@receiver(broadcast_started)
def forecast_the_run(*, run_id: int, **_: object) -> None:
    transaction.on_commit(partial(tasks.freeze_forecast.delay, run_id), robust=True)


@receiver(run_reported)
def compare_with_the_forecast(*, run_id: int, **_: object) -> None:
    transaction.on_commit(partial(tasks.settle_forecast.delay, run_id), robust=True)


@receiver([broadcast_started, broadcast_cancelled, early_freezing_asked])
def hurry_one_drain(**_: object) -> None:
    transaction.on_commit(partial(wake, tasks.drain_dispatches), robust=True)


@receiver(clock_heard)
def look_at_another_time(*, connection_id: int, **_: object) -> None:
    hurry_account(connection_id)
    transaction.on_commit(partial(wake, tasks.poll_dispatches), robust=True)


@receiver([broadcast_cancelled, broadcast_halted, look_asked])
def hurry_looks(**_: object) -> None:
    transaction.on_commit(partial(wake, tasks.poll_dispatches), robust=True)


@receiver([audience_frozen, broadcast_resumed])
def hurry_every_drain(**_: object) -> None:
    transaction.on_commit(tasks.wake_every_drain, robust=True)


@receiver(audience_frozen)
def watch_the_run(*, run_id: int, **_: object) -> None:
    begin_watching(run_id)
    begin_report(run_id)


@receiver([broadcast_resumed, broadcast_cancelled])
def end_the_alarm(*, broadcast_id: int, **_: object) -> None:
    end_alarm(broadcast_id)


@receiver(broadcast_cancelled)
def forget_the_approval(*, broadcast_id: int, **_: object) -> None:
    settle_tasks_of(broadcast_id)


@receiver(broadcast_cancelled)
def drop_the_questions(*, broadcast_id: int, **_: object) -> None:
    drop_questions(broadcast_id)


@receiver(run_reported)
def pass_on_what_was_measured(*, run_id: int, **_: object) -> None:
    note_measured(run_id)


@receiver(churn_scored)
def alert_after_scoring(*, community_id: int, scored_on: date, **_: object) -> None:
    enqueue = partial(tasks.open_churn_alerts.delay, community_id, scored_on.isoformat())
    transaction.on_commit(enqueue, robust=True)


@receiver(tiers_changed)
def tell_broadcasts_of_tiers(*, assignment_ids: list[int], **_: object) -> None:
    note_tiers_reached(assignment_ids)


@receiver(split_invited)
def draft_the_invitation(*, branch_id: int, actor_id: int, **_: object) -> None:
    draft_split_broadcast(branch_id, actor=User.objects.get(pk=actor_id))


@receiver(segment_draw_asked)
def hurry_the_list(*, segment_id: int, **_: object) -> None:
    transaction.on_commit(partial(tasks.draw_segment.delay, segment_id), robust=True)


@receiver(staff_deactivated)
def pass_on_the_alerts(*, staff_id: int, **_: object) -> None:
    pass_on_alerts(staff_id)


@receiver(consent_recorded)
def respect_who_is_not_to_be_profiled(*, member_id: int, purpose: str, **_: object) -> None:
    if purpose == ConsentPurpose.PROFILING:
        stop_watching_member(member_id)


@receiver([broadcast_finished, broadcast_cancelled])
def follow_the_messages(*, broadcast_id: int, **_: object) -> None:
    follow_broadcast(broadcast_id)


@receiver(task_closed)
def follow_the_task(*, task_id: int, kind: str, **_: object) -> None:
    if kind == TaskKind.WINBACK:
        follow_task(task_id)
