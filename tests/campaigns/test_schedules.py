"""Broadcasts that recur: being given a schedule, beginning once each time, and what was missed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.errors import (
    AlreadyDecided,
    BadSchedule,
    CannotEdit,
    CannotMove,
    CannotResume,
    ScheduleDoesNotFit,
    ScheduleIsOver,
    TimeIsGiven,
)
from campaigns.models import Broadcast, HolidayOverride, Run, Schedule
from campaigns.rules.schedule import judge_slot, judge_slots
from campaigns.rules.schedules import DayRule, ScheduleKind
from campaigns.rules.status import BroadcastStatus, FreezeAt, MisfirePolicy, RunStatus
from campaigns.selectors.calendar import planned_until, upcoming_times
from campaigns.services.approving import submit_broadcast
from campaigns.services.controlling import cancel_broadcast, pause_broadcast, resume_broadcast
from campaigns.services.freezing import freeze_early
from campaigns.services.missed import run_missed, skip_missed
from campaigns.services.schedules import clear_schedule, end_schedule, set_schedule
from campaigns.services.scheduling import schedule_broadcast, start_due_broadcasts
from scrm.accounts.models import AuditEvent, OperatorTask
from scrm.accounts.rules.operator_tasks import TaskStatus
from tests.campaigns.broadcasts import (
    BroadcastFactory,
    colleague_of,
    drain,
    due_broadcast,
    states_of,
)
from tests.campaigns.schedules import EVERY_HOUR, approved, recurring_broadcast, schedule_for
from tests.communities.factories import TierFactory

DAILY = {"kind": ScheduleKind.RECURRING, "rrule": "FREQ=DAILY", "local_time": time(10)}
SHANGHAI = timedelta(hours=8)


def local_clock(instant):
    return (instant.astimezone(UTC) + SHANGHAI).time()


def hourly_broadcast(*, late, **values):
    """Hourly, and looked at for the last time so long ago."""
    first = (timezone.now() - late).replace(microsecond=0)
    rule = {"rrule": EVERY_HOUR, "local_time": local_clock(first)}
    return recurring_broadcast(scheduled_at=first, rule=rule, **values)


def statuses(broadcast):
    return list(broadcast.runs.order_by("planned_for").values_list("status", flat=True))


# giving a draft a schedule


@pytest.mark.django_db
def test_a_draft_is_given_a_schedule_and_its_next_times_are_known():
    broadcast = BroadcastFactory()
    actor = colleague_of(broadcast.author)

    set_schedule(broadcast.pk, actor=actor, **DAILY)

    broadcast.refresh_from_db()
    assert broadcast.last_editor == actor  # who therefore cannot approve it
    times = upcoming_times(broadcast, now=timezone.now())
    assert len(times) == 5
    assert {local_clock(one) for one in times} == {time(10)}
    assert AuditEvent.objects.get(verb="set_schedule").after["rrule"] == "FREQ=DAILY"


@pytest.mark.django_db
def test_its_hours_are_those_of_the_enterprise_unless_it_says_otherwise():
    broadcast = BroadcastFactory(author__enterprise__time_zone="Asia/Tokyo")

    assert set_schedule(broadcast.pk, actor=broadcast.author, **DAILY).time_zone == "Asia/Tokyo"

    elsewhere = {**DAILY, "time_zone": "Europe/Berlin"}
    changed = set_schedule(broadcast.pk, actor=broadcast.author, **elsewhere)
    assert changed.time_zone == "Europe/Berlin"


@pytest.mark.django_db
def test_what_belongs_to_another_kind_does_not_stay_behind():
    broadcast = BroadcastFactory()
    set_schedule(broadcast.pk, actor=broadcast.author, **DAILY)

    set_schedule(
        broadcast.pk, actor=broadcast.author, kind=ScheduleKind.FESTIVAL, festivals=["qixi"]
    )

    schedule = Schedule.objects.get()
    assert (schedule.kind, schedule.rrule, schedule.local_time) == ("festival", "", time(10))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"kind": "sometimes"}, "kind"),
        ({"local_time": None}, "local_time"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"time_zone": "America"}, "time_zone"),
        ({"rrule": "FREQ=SECONDLY"}, "rrule"),
        ({"kind": "festival", "festivals": []}, "festivals"),
        ({"kind": "festival", "festivals": ["halloween"]}, "festivals"),
        ({"kind": "festival", "festivals": ["qixi"], "day_offset": 99}, "day_offset"),
        ({"kind": "member_day", "member_day": 32}, "member_day"),
        ({"kind": "silent", "silent_days": 0}, "silent_days"),
        ({"kind": "tier_reached"}, "tier"),
        ({"starts_on": date(2027, 1, 2), "ends_on": date(2027, 1, 1)}, "ends_on"),
        ({"ends_on": date(2020, 1, 1)}, "kind"),  # nothing to come
        ({"max_count": 0}, "max_count"),
    ],
)
def test_a_schedule_that_no_calendar_can_follow_is_refused(rule, field):
    broadcast = BroadcastFactory()

    with pytest.raises(BadSchedule) as refusal:
        set_schedule(broadcast.pk, actor=broadcast.author, **(DAILY | rule))

    assert refusal.value.field == field
    assert not Schedule.objects.exists()


@pytest.mark.django_db
def test_a_tier_of_another_enterprise_is_refused():
    broadcast = BroadcastFactory()
    rule = {"kind": ScheduleKind.TIER_REACHED, "tier": TierFactory(), "local_time": time(10)}

    with pytest.raises(BadSchedule):
        set_schedule(broadcast.pk, actor=broadcast.author, **rule)


@pytest.mark.django_db
def test_facts_about_members_begin_nothing_that_goes_to_chats():
    broadcast = BroadcastFactory(target="chats", body="{{群名}}")

    with pytest.raises(ScheduleDoesNotFit):
        set_schedule(broadcast.pk, actor=broadcast.author, kind="birthday", local_time=time(10))


@pytest.mark.django_db
def test_a_list_frozen_at_approval_is_no_list_for_every_time():
    broadcast = BroadcastFactory(freeze_at=FreezeAt.APPROVAL)

    with pytest.raises(ScheduleDoesNotFit):
        set_schedule(broadcast.pk, actor=broadcast.author, **DAILY)


@pytest.mark.django_db
def test_what_was_made_unfit_for_its_schedule_afterwards_is_not_submitted():
    broadcast = BroadcastFactory()
    set_schedule(broadcast.pk, actor=broadcast.author, **DAILY)
    Broadcast.objects.filter(pk=broadcast.pk).update(freeze_at=FreezeAt.APPROVAL)

    with pytest.raises(ScheduleDoesNotFit):
        submit_broadcast(broadcast.pk, actor=broadcast.author)


@pytest.mark.django_db
def test_a_schedule_is_changed_only_in_a_draft():
    broadcast = approved(due_broadcast())

    with pytest.raises(CannotEdit):
        set_schedule(broadcast.pk, actor=broadcast.author, **DAILY)
    with pytest.raises(CannotEdit):
        clear_schedule(broadcast.pk, actor=broadcast.author)


@pytest.mark.django_db
def test_a_cleared_schedule_leaves_a_broadcast_that_runs_once():
    broadcast = BroadcastFactory()
    set_schedule(broadcast.pk, actor=broadcast.author, **DAILY)

    clear_schedule(broadcast.pk, actor=broadcast.author)
    clear_schedule(broadcast.pk, actor=broadcast.author)

    assert not Schedule.objects.exists()
    assert upcoming_times(broadcast, now=timezone.now()) == []


# beginning


@pytest.mark.django_db
def test_scheduled_it_waits_for_the_first_time_of_its_schedule():
    broadcast = approved(due_broadcast())
    schedule_for(broadcast)

    scheduled = schedule_broadcast(broadcast.pk, actor=broadcast.author)

    assert scheduled.scheduled_at == upcoming_times(scheduled, now=timezone.now())[0]
    assert local_clock(scheduled.scheduled_at) == time(10)
    assert len(upcoming_times(scheduled, now=timezone.now())) == 5


@pytest.mark.django_db
def test_a_time_beside_the_schedule_is_refused():
    broadcast = approved(due_broadcast())
    schedule_for(broadcast)

    with pytest.raises(TimeIsGiven):
        schedule_broadcast(
            broadcast.pk,
            actor=broadcast.author,
            scheduled_at=timezone.now() + timedelta(hours=1),
        )


@pytest.mark.django_db
def test_a_schedule_without_a_future_is_refused():
    broadcast = approved(due_broadcast())
    schedule_for(broadcast, ends_on=date(2021, 1, 1))

    with pytest.raises(ScheduleIsOver):
        schedule_broadcast(broadcast.pk, actor=broadcast.author)


@pytest.mark.django_db
def test_each_time_has_its_run_and_the_next_time_is_set():
    broadcast = hourly_broadcast(late=timedelta(seconds=5))
    planned = broadcast.scheduled_at

    assert len(start_due_broadcasts()) == 1
    assert start_due_broadcasts() == []

    broadcast.refresh_from_db()
    assert broadcast.runs.get().planned_for == planned
    assert broadcast.status == BroadcastStatus.RUNNING
    assert broadcast.scheduled_at == planned + timedelta(hours=1)
    assert broadcast.schedule.occurrence_count == 1


@pytest.mark.django_db
def test_it_begins_again_while_the_run_before_still_waits():
    broadcast = hourly_broadcast(late=timedelta(seconds=5))
    start_due_broadcasts()
    Broadcast.objects.filter(pk=broadcast.pk).update(scheduled_at=timezone.now())

    assert len(start_due_broadcasts()) == 1

    assert statuses(broadcast) == [RunStatus.FREEZING, RunStatus.FREEZING]


@pytest.mark.django_db
def test_the_last_of_so_many_times_sets_no_next():
    now = timezone.now()
    rule = {"rrule": EVERY_HOUR, "local_time": local_clock(now), "max_count": 1}
    broadcast = recurring_broadcast(scheduled_at=now, rule=rule)

    start_due_broadcasts()

    broadcast.refresh_from_db()
    assert (broadcast.status, broadcast.scheduled_at) == (BroadcastStatus.RUNNING, None)


@pytest.mark.django_db
def test_a_frozen_list_is_taken_over_by_the_run(channel):
    broadcast = approved(due_broadcast(freeze_at=FreezeAt.APPROVAL))
    early = freeze_early(broadcast)
    schedule_broadcast(broadcast.pk, actor=broadcast.author)

    (run,) = start_due_broadcasts()

    assert run == early.pk
    assert Run.objects.get().planned_for != early.planned_for


@pytest.mark.django_db
def test_a_broadcast_that_cannot_begin_does_not_keep_the_others_waiting(caplog):
    poisoned = hourly_broadcast(late=timedelta(seconds=5))
    Schedule.objects.filter(broadcast=poisoned).update(rrule="FREQ=NEVER")
    fine = due_broadcast()

    assert start_due_broadcasts() == [fine.runs.get().pk]

    assert "cannot begin" in caplog.text


@pytest.mark.django_db
def test_a_day_that_became_a_holiday_is_not_sent_on():
    now = timezone.now()
    rule = {"local_time": local_clock(now), "day_rule": DayRule.WORKING_DAYS}
    broadcast = recurring_broadcast(scheduled_at=now, rule=rule)
    today = (now.astimezone(UTC) + SHANGHAI).date()
    HolidayOverride.objects.create(enterprise=broadcast.enterprise, day=today, is_working_day=False)

    assert start_due_broadcasts() == []

    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.SCHEDULED
    assert broadcast.scheduled_at > now
    assert not broadcast.runs.exists()


# what was missed


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("policy", "grace", "expected"),
    [
        (MisfirePolicy.RUN_LATE, 60, ["skipped", "skipped", "skipped", "freezing"]),
        (MisfirePolicy.RUN_LATE, 999, ["skipped", "skipped", "skipped", "freezing"]),
        (MisfirePolicy.RUN_LATE, 30, ["skipped"] * 4),
        (MisfirePolicy.SKIP, 60, ["skipped"] * 4),
        (MisfirePolicy.ASK, 60, ["skipped", "skipped", "skipped", "asked"]),
    ],
)
def test_four_hours_down_over_four_slots_make_one_run_at_most_and_a_row_for_each(
    policy, grace, expected
):
    broadcast = hourly_broadcast(
        late=timedelta(hours=3, minutes=50), misfire_policy=policy, misfire_grace_minutes=grace
    )

    start_due_broadcasts()
    start_due_broadcasts()

    assert statuses(broadcast) == expected
    broadcast.refresh_from_db()
    assert broadcast.scheduled_at > timezone.now()
    assert broadcast.schedule.occurrence_count == 4
    missed = broadcast.runs.exclude(status=RunStatus.FREEZING)
    assert all(run.status_reason for run in missed)


@pytest.mark.django_db
def test_what_was_missed_for_weeks_is_written_down_in_steps(monkeypatch):
    broadcast = hourly_broadcast(
        late=timedelta(hours=23, minutes=30), misfire_policy=MisfirePolicy.SKIP
    )
    monkeypatch.setattr("campaigns.services.scheduling.SLOTS_AT_ONCE", 10)

    for _ in range(4):
        start_due_broadcasts()

    assert statuses(broadcast) == [RunStatus.SKIPPED] * 24
    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.SCHEDULED


@pytest.mark.django_db
def test_what_was_missed_is_asked_about_and_may_be_sent_after_all(channel):
    broadcast = due_broadcast(
        scheduled_at=timezone.now() - timedelta(hours=2), misfire_policy=MisfirePolicy.ASK
    )
    start_due_broadcasts()
    broadcast.refresh_from_db()
    run = broadcast.runs.get()
    assert (run.status, broadcast.status) == (RunStatus.ASKED, BroadcastStatus.PAUSED)
    assert OperatorTask.objects.get().kind == "broadcast_missed"
    with pytest.raises(CannotResume):  # it has to be said what becomes of it
        resume_broadcast(broadcast.pk, actor=broadcast.author)

    run_missed(run.pk, actor=broadcast.author)
    drain()

    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.COMPLETED
    assert {status for status, _ in states_of(run).values()} == {"delivered"}
    assert OperatorTask.objects.get().status == TaskStatus.DONE
    with pytest.raises(AlreadyDecided):
        skip_missed(run.pk, actor=broadcast.author)


@pytest.mark.django_db
def test_what_was_missed_may_be_left_unsent():
    broadcast = due_broadcast(
        scheduled_at=timezone.now() - timedelta(hours=2), misfire_policy=MisfirePolicy.ASK
    )
    start_due_broadcasts()
    run = broadcast.runs.get()

    skip_missed(run.pk, actor=broadcast.author)

    broadcast.refresh_from_db()
    assert (broadcast.status, broadcast.runs.get().status) == ("cancelled", "skipped")
    assert OperatorTask.objects.get().status == TaskStatus.DONE
    with pytest.raises(AlreadyDecided):
        run_missed(run.pk, actor=broadcast.author)


@pytest.mark.django_db
def test_a_list_frozen_at_approval_is_kept_for_what_was_missed(channel):
    broadcast = approved(due_broadcast(freeze_at=FreezeAt.APPROVAL))
    early = freeze_early(broadcast)
    Broadcast.objects.filter(pk=broadcast.pk).update(
        status=BroadcastStatus.SCHEDULED,
        scheduled_at=timezone.now() - timedelta(hours=2),
        misfire_policy=MisfirePolicy.ASK,
    )
    start_due_broadcasts()
    asked = broadcast.runs.get(status=RunStatus.ASKED)

    begun = run_missed(asked.pk, actor=broadcast.author)
    drain()

    assert begun == early
    assert broadcast.runs.get().status == RunStatus.FINISHED


@pytest.mark.django_db
def test_a_question_about_one_time_does_not_hold_up_the_next():
    broadcast = hourly_broadcast(late=timedelta(minutes=50), misfire_policy=MisfirePolicy.ASK)
    start_due_broadcasts()
    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.SCHEDULED
    asked = broadcast.runs.get()

    run_missed(asked.pk, actor=broadcast.author)

    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.RUNNING
    assert broadcast.scheduled_at > timezone.now()


@pytest.mark.django_db
def test_while_it_is_paused_by_hand_nothing_missed_is_sent():
    broadcast = hourly_broadcast(late=timedelta(minutes=50), misfire_policy=MisfirePolicy.ASK)
    start_due_broadcasts()
    pause_broadcast(broadcast.pk, actor=broadcast.author)

    with pytest.raises(CannotMove):
        run_missed(broadcast.runs.get().pk, actor=broadcast.author)

    assert broadcast.runs.get().status == RunStatus.ASKED


@pytest.mark.django_db
def test_a_question_is_kept_when_everything_else_is_done(channel):
    """The last time was missed while the run before it was still going on."""
    broadcast = hourly_broadcast(late=timedelta(seconds=5))
    start_due_broadcasts()
    Broadcast.objects.filter(pk=broadcast.pk).update(
        scheduled_at=timezone.now() - timedelta(hours=2), misfire_policy=MisfirePolicy.ASK
    )
    Schedule.objects.update(max_count=2)
    start_due_broadcasts()
    drain()
    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.PAUSED
    assert sorted(statuses(broadcast)) == [RunStatus.ASKED, RunStatus.FINISHED]

    skip_missed(broadcast.runs.get(status=RunStatus.ASKED).pk, actor=broadcast.author)

    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.COMPLETED


@pytest.mark.django_db
def test_nobody_is_asked_about_what_was_cancelled():
    broadcast = hourly_broadcast(late=timedelta(minutes=50), misfire_policy=MisfirePolicy.ASK)
    start_due_broadcasts()

    cancel_broadcast(broadcast.pk, actor=broadcast.author)

    assert statuses(broadcast) == [RunStatus.SKIPPED]
    assert OperatorTask.objects.get().status == TaskStatus.DONE


@pytest.mark.django_db
def test_a_paused_schedule_begins_nothing_and_goes_on_by_its_policy():
    broadcast = hourly_broadcast(late=timedelta(hours=2, minutes=50), misfire_policy="skip")
    pause_broadcast(broadcast.pk, actor=broadcast.author)
    assert start_due_broadcasts() == []

    resume_broadcast(broadcast.pk, actor=broadcast.author)
    start_due_broadcasts()

    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.SCHEDULED
    assert statuses(broadcast) == [RunStatus.SKIPPED] * 3


# the end


@pytest.mark.django_db
def test_an_ended_schedule_begins_nothing_more():
    broadcast = hourly_broadcast(late=timedelta(seconds=5))
    start_due_broadcasts()

    end_schedule(broadcast.pk, actor=broadcast.author)

    broadcast.refresh_from_db()
    assert (broadcast.status, broadcast.scheduled_at) == (BroadcastStatus.RUNNING, None)


@pytest.mark.django_db
def test_a_schedule_ended_before_it_sent_anything_is_cancelled():
    broadcast = hourly_broadcast(late=-timedelta(minutes=5))

    ended = end_schedule(broadcast.pk, actor=broadcast.author)

    assert (ended.status, ended.scheduled_at) == (BroadcastStatus.CANCELLED, None)
    assert ended.status_reason


@pytest.mark.django_db
def test_a_schedule_whose_last_time_was_missed_is_over():
    first = timezone.now() - timedelta(hours=2)
    rule = {"rrule": EVERY_HOUR, "local_time": local_clock(first), "max_count": 1}
    broadcast = recurring_broadcast(scheduled_at=first, rule=rule, misfire_policy="skip")

    start_due_broadcasts()

    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.CANCELLED
    assert statuses(broadcast) == [RunStatus.SKIPPED]


# many at once


@pytest.mark.django_db
def test_what_is_planned_is_listed_in_order_of_time():
    now = timezone.now()
    hourly = hourly_broadcast(late=-timedelta(minutes=5))
    once = due_broadcast(scheduled_at=now + timedelta(minutes=30))
    paused = due_broadcast(status=BroadcastStatus.PAUSED, scheduled_at=now + timedelta(minutes=1))

    planned = planned_until([once, paused, hourly], now=now, until=now + timedelta(hours=2))

    assert [one.broadcast for one in planned] == [hourly, once, hourly]


@pytest.mark.django_db(transaction=True)
def test_three_schedulers_of_a_schedule_by_the_second_begin_each_second_once():
    first = (timezone.now() - timedelta(seconds=8)).replace(microsecond=0)
    rule = {"rrule": "FREQ=SECONDLY", "local_time": local_clock(first)}
    broadcast = recurring_broadcast(scheduled_at=first, rule=rule, members=1)
    until = datetime.now(UTC) + timedelta(seconds=1.5)

    def sweep(_):
        try:
            while datetime.now(UTC) < until:
                start_due_broadcasts()
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(sweep, range(3)))

    planned = list(broadcast.runs.order_by("planned_for").values_list("planned_for", flat=True))
    assert len(planned) >= 9
    assert planned == [first + timedelta(seconds=n) for n in range(len(planned))]
    assert set(statuses(broadcast)) == {RunStatus.FREEZING}


@pytest.mark.django_db(transaction=True)
def test_twin_schedulers_that_only_look_would_begin_it_three_times():
    due_broadcast(members=1)
    everybody_has_looked = Barrier(3)

    def look(_):
        try:
            due = list(Broadcast.objects.due(timezone.now()).values_list("scheduled_at"))
            everybody_has_looked.wait(10)
            return due
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as threads:
        decided = [slot for slots in threads.map(look, range(3)) for slot in slots]

    assert len(decided) == 3


def test_twin_missed_slots_judged_one_by_one_would_all_be_sent():
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    slots = [now - timedelta(hours=n, minutes=50) for n in (3, 2, 1, 0)]
    late = {"now": now, "policy": MisfirePolicy.RUN_LATE, "grace": timedelta(hours=5)}

    alone = [judge_slot(slot, **late).verdict for slot in slots]
    together = [one.verdict for one in judge_slots(slots, **late, is_complete=True)]

    assert alone == ["run"] * 4
    assert together == ["skip", "skip", "skip", "run"]
