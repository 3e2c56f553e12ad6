"""Syncs: one at a time, page by page, resumed after a kill, ended with words."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database

from scrm.accounts.models import AuditEvent, Staff
from scrm.shared.clock import database_now
from scrm.wecom import tasks
from scrm.wecom.errors import ConnectionIsPaused, SyncIsOver, SyncIsRunning
from scrm.wecom.models import SyncRun, WecomConnection
from scrm.wecom.rules.status import ConnectionState, SyncScope, SyncState
from scrm.wecom.services.advancing import MAX_ATTEMPTS, advance_sync, advance_syncs
from scrm.wecom.services.sync_claims import LeaseLost, claim_run, writing
from scrm.wecom.services.syncing import (
    cancel_sync,
    start_nightly_syncs,
    start_sync,
    waiting_syncs,
)
from tests.accounts.factories import EnterpriseFactory, UserFactory
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db

SOMEBODY = 120  # staff: three pages of them


def company(*, staff=3, **options):
    simulated = simulated_corp(**options)
    for number in range(staff):
        simulated.corp.add_staff(f"staff-{number:03}", f"员工{number}")
    simulated.corp.outbox.take()
    return simulated


def begin(simulated, scope=SyncScope.DIRECTORY) -> SyncRun:
    return start_sync(simulated.connection.pk, scope=scope, actor=None)


def wait_no_longer(run):
    SyncRun.objects.filter(pk=run.pk).update(due_at=datetime(2020, 1, 1, tzinfo=UTC))


def again(run):
    run.refresh_from_db()
    return run


# --- Starting, cancelling -------------------------------------------------------------------------


def test_only_one_sync_of_a_connection_runs():
    simulated = company()
    begin(simulated)

    with pytest.raises(SyncIsRunning):
        begin(simulated)

    begin(company())  # of another company


def test_a_paused_connection_is_not_read():
    simulated = company(state=ConnectionState.PAUSED)

    with pytest.raises(ConnectionIsPaused):
        begin(simulated)


def test_a_stranger_finds_no_connection_and_no_run():
    simulated = company()
    run = begin(simulated)
    stranger = UserFactory()

    with pytest.raises(WecomConnection.DoesNotExist):
        start_sync(simulated.connection.pk, scope=SyncScope.FULL, actor=stranger)
    with pytest.raises(SyncRun.DoesNotExist):
        cancel_sync(run.pk, actor=stranger)


def test_what_a_person_starts_and_cancels_is_in_the_record():
    simulated = company()
    user = UserFactory(enterprise=simulated.enterprise)
    run = start_sync(simulated.connection.pk, scope=SyncScope.FULL, actor=user)

    cancel_sync(run.pk, actor=user)

    assert again(run).state == SyncState.CANCELLED
    assert run.finished_at is not None
    assert set(AuditEvent.objects.values_list("verb", flat=True)) == {"start_sync", "cancel_sync"}
    with pytest.raises(SyncIsOver):
        cancel_sync(run.pk, actor=user)


def test_a_cancelled_sync_writes_no_more_pages():
    simulated = company(staff=SOMEBODY)
    run = begin(simulated)
    advance_sync(run.pk, budget=0)
    claimed = claim_run(run.pk)
    cancel_sync(run.pk, actor=UserFactory(enterprise=simulated.enterprise))

    with pytest.raises(LeaseLost), writing(run.pk, claimed.token):
        pass

    assert not advance_sync(run.pk)


# --- Going on -------------------------------------------------------------------------------------


def test_slices_do_together_what_one_does():
    simulated = company(staff=SOMEBODY)
    run = begin(simulated)
    slices = 1
    while advance_sync(run.pk, budget=0):
        slices += 1

    assert slices > 5
    assert again(run).state == SyncState.COMPLETED
    assert run.counts["directory"]["seen"] == run.counts["directory"]["added"] == SOMEBODY
    assert Staff.objects.count() == SOMEBODY


def test_a_killed_worker_is_followed_by_another_one_and_nothing_counts_twice():
    simulated = company(staff=SOMEBODY)
    run = begin(simulated)
    for _ in range(3):  # departments, then two pages of staff
        assert advance_sync(run.pk, budget=0)
        lost = claim_run(run.pk)  # …and it dies with the next page in its hands
        assert not advance_sync(run.pk)  # its lease still holds
        assert waiting_syncs() == []
        wait_no_longer(run)
        assert waiting_syncs() == [run.pk]

    assert not advance_sync(run.pk)

    with pytest.raises(LeaseLost), writing(run.pk, lost.token):  # it was only slow
        pass
    assert again(run).state == SyncState.COMPLETED
    assert run.counts["directory"]["seen"] == run.counts["directory"]["added"] == SOMEBODY


def test_a_page_that_kills_its_workers_ends_the_run():
    run = begin(company())
    for _ in range(MAX_ATTEMPTS + 1):
        wait_no_longer(run)
        claim_run(run.pk)
    wait_no_longer(run)

    assert not advance_sync(run.pk)

    assert again(run).state == SyncState.FAILED
    assert run.reason


def test_every_waiting_run_is_gone_on_with():
    runs = [begin(company()), begin(company())]

    assert advance_syncs() == 2

    assert {again(run).state for run in runs} == {SyncState.COMPLETED}
    assert advance_syncs() == 0


def test_a_started_sync_is_hurried(django_capture_on_commit_callbacks, monkeypatch):
    sent = []
    monkeypatch.setattr(tasks.advance_sync, "apply_async", lambda args, **_: sent.append(args))

    with django_capture_on_commit_callbacks(execute=True):
        run = begin(company())

    assert sent == [(run.pk,)]


# --- Refusals -------------------------------------------------------------------------------------


def test_what_time_can_heal_is_tried_again_later():
    simulated = company()
    run = begin(simulated)
    simulated.corp.faults.refuse("department/list", 90507, times=2)
    for number in (1, 2):
        assert not advance_sync(run.pk)
        assert again(run).attempt_count == number
        assert run.state == SyncState.RUNNING
        assert run.due_at > database_now() + timedelta(seconds=2)
        wait_no_longer(run)

    assert not advance_sync(run.pk)
    assert again(run).state == SyncState.COMPLETED
    assert run.attempt_count == 0


def test_what_never_heals_fails_with_words():
    simulated = company()
    run = begin(simulated)
    simulated.corp.faults.refuse("department/list", 90507, times=-1)
    for _ in range(MAX_ATTEMPTS):
        wait_no_longer(run)
        advance_sync(run.pk)

    assert again(run).state == SyncState.FAILED
    assert "90507" in run.reason
    assert run.finished_at is not None


def test_a_refused_app_fails_at_once_and_a_person_is_asked():
    simulated = company()
    run = begin(simulated)
    simulated.corp.faults.refuse("department/list", 48002, times=-1)

    advance_sync(run.pk)

    assert again(run).state == SyncState.FAILED
    simulated.connection.refresh_from_db()
    assert simulated.connection.state == ConnectionState.FAILING
    assert simulated.connection.state_code == "48002"

    simulated.corp.faults.clear()
    advance_sync(begin(simulated).pk)
    simulated.connection.refresh_from_db()
    assert simulated.connection.state == ConnectionState.CONNECTED


def test_a_full_quota_is_waited_for_without_counting():
    simulated = company()
    run = begin(simulated)
    simulated.corp.faults.refuse("department/list", 45009)

    advance_sync(run.pk)

    assert again(run).state == SyncState.RUNNING
    assert run.attempt_count == 0
    assert run.due_at > database_now() + timedelta(seconds=30)


def test_a_connection_paused_meanwhile_ends_the_run():
    simulated = company()
    run = begin(simulated)
    WecomConnection.objects.update(state=ConnectionState.PAUSED)

    advance_sync(run.pk)

    assert again(run).state == SyncState.CANCELLED


# --- Every night ----------------------------------------------------------------------------------


def test_a_full_sync_starts_once_in_each_local_night():
    simulated = company()
    elsewhere = company(enterprise=EnterpriseFactory(time_zone="America/New_York"))
    night = datetime(2026, 3, 1, 19, 5, tzinfo=UTC)  # 03:05 in Shanghai, 14:05 in New York
    SyncRun.objects.create(  # of the night before
        enterprise=elsewhere.enterprise,
        connection=elsewhere.connection,
        state=SyncState.COMPLETED,
        started_at=night.replace(hour=8, minute=11),
    )
    SyncRun.objects.create(
        enterprise=simulated.enterprise,
        connection=simulated.connection,
        state=SyncState.FAILED,
        started_at=night - timedelta(hours=23),
    )

    assert start_nightly_syncs(night) == 0
    assert start_nightly_syncs(night + timedelta(minutes=5)) == 1
    run = SyncRun.objects.running().get()
    assert (run.connection, run.scope, run.requested_by) == (
        simulated.connection,
        SyncScope.FULL,
        None,
    )
    assert start_nightly_syncs(night + timedelta(minutes=5)) == 0
    SyncRun.objects.filter(pk=run.pk).update(
        state=SyncState.COMPLETED, started_at=night + timedelta(minutes=6)
    )
    assert start_nightly_syncs(night + timedelta(hours=3)) == 0


@pytest.mark.parametrize("state", [ConnectionState.PAUSED, ConnectionState.DRAFT])
def test_what_is_not_in_use_is_not_read_at_night(state):
    company(state=state)

    assert start_nightly_syncs(datetime(2026, 3, 1, 20, tzinfo=UTC)) == 0


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_start_one_sync():
    simulated = company()
    now = datetime.now(UTC)

    started = in_two_threads(lambda: start_nightly_syncs(now))

    assert sorted(started) == [0, 1]
    assert SyncRun.objects.filter(connection=simulated.connection).count() == 1


def in_two_threads(work):
    from concurrent.futures import ThreadPoolExecutor

    def one(_):
        try:
            return work()
        finally:
            database.close()

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, range(2)))
