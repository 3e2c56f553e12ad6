"""Workers are killed while they process callbacks: none is lost, none has its effect twice."""

import os
import signal
import time

import pytest

from scrm.wecom.models import InboundEvent, ReadRequest
from scrm.wecom.rules.envelopes import event_of
from scrm.wecom.services.inbox import store_callback
from scrm.wecom.tasks import sweep_inbox
from tests.processes import celery_worker
from tests.wecom.callbacks import listening, told

pytestmark = [pytest.mark.slow, pytest.mark.chaos, pytest.mark.django_db(transaction=True)]

EVENTS = int(os.environ.get("CHAOS_EVENTS", "500"))
KILLS = int(os.environ.get("CHAOS_KILLS", "1"))
WORKER = {"DJANGO_SETTINGS_MODULE": "tests.wecom.effects_settings"}


def deed_of(number):
    """One in a hundred raises; one in a thousand kills its process, in runs with CHAOS_EVENTS:
    every such death costs some seconds."""
    if number % 1000 == 999:
        return "die"
    return "raise" if number % 100 == 50 else "count"


def arrive(listener):
    for number in range(EVENTS):
        message = told("effect", "count", ChatId=f"wr{number}", Deed=deed_of(number))
        assert store_callback(listener, event_of(message), message)


def left():
    return InboundEvent.objects.filter(state="waiting").count()


def process_until(done, *, within):
    """What the scheduler does, only faster."""
    deadline = time.monotonic() + within
    while not done():
        assert time.monotonic() < deadline, f"{left()} callbacks are left."
        InboundEvent.objects.filter(state="waiting", token=None).update(due_at="2020-01-01T00:00Z")
        sweep_inbox()
        time.sleep(0.1)


def test_killed_workers_lose_no_callback_and_repeat_no_effect(tmp_path):
    listener = listening()
    arrive(listener)
    for number in range(KILLS):
        with celery_worker(
            tmp_path, queues=["callbacks"], name=f"kill{number}", **WORKER
        ) as worker:
            goal = EVENTS - EVENTS * (number + 1) // (KILLS + 2)
            process_until(lambda goal=goal: left() < goal, within=60)
            os.killpg(worker.pid, signal.SIGKILL)
            worker.process.wait()
    assert left() > 0
    with celery_worker(tmp_path, queues=["callbacks"], name="last", **WORKER):
        process_until(lambda: left() == 0, within=60 + EVENTS / 20)

    good = {f"wr{n}" for n in range(EVENTS) if deed_of(n) == "count"}
    bad = {f"wr{n}" for n in range(EVENTS)} - good
    effects = dict(ReadRequest.objects.values_list("external_id", "number"))
    assert effects == dict.fromkeys(good, 1)
    processed = InboundEvent.objects.filter(state="processed")
    assert set(processed.values_list("subject", flat=True)) == good
    failed = InboundEvent.objects.filter(state="failed")
    assert set(failed.values_list("subject", flat=True)) == bad
    assert not failed.filter(attempt_count__gt=5).exists()
    assert not failed.filter(reason="").exists()
