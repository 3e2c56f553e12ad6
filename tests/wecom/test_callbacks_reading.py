"""Reading single objects again: once each, not too early, and again when that was not enough."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from scrm.accounts.models import AuditEvent
from scrm.shared.clock import database_now
from scrm.wecom import handlers
from scrm.wecom.client.errors import Kind, Outcome, WecomRefusal
from scrm.wecom.errors import ReadHasNotFailed
from scrm.wecom.models import ReadRequest
from scrm.wecom.services.read_claims import claim_lost_read, claim_reads, reader_is_needed
from scrm.wecom.services.reading import replay_read, request_read, request_reads
from scrm.wecom.services.rereading import read_slice, read_waiting
from scrm.wecom.tasks import sweep_reads
from tests.accounts.factories import UserFactory
from tests.wecom.callbacks import due_at_once, listening

KIND = "tested"


def refusal(code, kind, outcome, retry_after=None):
    return WecomRefusal(
        "tested/get", code=code, kind=kind, outcome=outcome, retry_after=retry_after
    )


class Platform:
    """A reader whose platform shows what a test says: a version, or a refusal."""

    def __init__(self):
        self.shown, self.default = {}, "v1"
        self.fetched, self.applied, self.gone_ids = [], [], []
        self.meanwhile = self.broken = None

    def fetch(self, client, external_id):
        assert not connection.in_atomic_block or self.in_test_transaction
        self.fetched.append(external_id)
        if self.meanwhile:
            self.meanwhile(external_id)
        shown = self.shown.get(external_id, self.default)
        if isinstance(shown, Exception):
            raise shown
        return external_id, shown

    in_test_transaction = True

    def apply(self, connected, found, *, read_at, wanted_version):
        if self.broken:
            raise self.broken
        if wanted_version and found[1] != wanted_version:
            raise handlers.NotYet
        self.applied.append(found)

    def gone(self, connected, external_id, *, refusal):
        self.gone_ids.append((external_id, refusal.code))


@pytest.fixture
def platform():
    platform = Platform()
    handlers.on_read(KIND, platform)
    yield platform
    del handlers._readers[KIND]


@pytest.fixture
def listener(db):
    return listening()


@pytest.fixture
def asked(listener, platform):
    """Ask for objects that are due at once."""

    def ask(*ids, **options):
        request_reads(listener, KIND, ids, delay=timedelta(), **options)

    return ask


def waits():
    """Seconds until each object is due."""
    now = database_now()
    return {
        row.external_id: round((row.due_at - now).total_seconds(), 1)
        for row in ReadRequest.objects.all()
    }


# --- Asking ---------------------------------------------------------------------------------------


def test_an_object_is_read_once_however_often_it_was_asked_for(listener, platform):
    for _ in range(5):
        request_read(listener, KIND, "wr1")
    request_reads(listener, KIND, ["wr1", "wr2", "wr2", ""])
    assert dict(ReadRequest.objects.values_list("external_id", "number")) == {"wr1": 6, "wr2": 1}

    assert read_waiting() == 0  # the platform would still show the old state
    due_at_once()
    assert read_waiting() == 2
    assert sorted(platform.applied) == [("wr1", "v1"), ("wr2", "v1")]
    assert not ReadRequest.objects.exists()


def test_an_object_is_due_two_seconds_after_the_last_request_and_ten_after_the_first(
    listener, platform
):
    request_read(listener, KIND, "wr1")
    assert waits()["wr1"] == pytest.approx(2, abs=0.3)
    ReadRequest.objects.update(requested_at=Now() - timedelta(seconds=5), due_at=Now())
    request_read(listener, KIND, "wr1")
    assert waits()["wr1"] == pytest.approx(2, abs=0.3)
    ReadRequest.objects.update(requested_at=Now() - timedelta(seconds=9), due_at=Now())
    request_read(listener, KIND, "wr1")
    assert waits()["wr1"] == pytest.approx(1, abs=0.3)


def test_many_are_asked_for_in_one_statement(listener, django_assert_num_queries):
    with django_assert_num_queries(1):
        request_reads(listener, KIND, [f"wr{n}" for n in range(200)], versions={"wr7": "v7"})
    assert ReadRequest.objects.get(external_id="wr7").wanted_version == "v7"
    with django_assert_num_queries(0):
        request_reads(listener, KIND, ["", "x" * 129])


# --- Reading --------------------------------------------------------------------------------------


def test_an_object_that_changed_while_it_was_read_is_read_again(listener, platform, asked):
    platform.meanwhile = lambda external_id: request_read(listener, KIND, external_id)
    asked("wr1")
    read_waiting()
    platform.meanwhile = None
    assert len(platform.applied) == 1
    assert waits()["wr1"] == pytest.approx(2, abs=0.3)
    due_at_once()
    read_waiting()
    assert len(platform.applied) == 2
    assert not ReadRequest.objects.exists()


def test_an_object_that_was_read_too_early_is_read_again(listener, platform, asked):
    """Somebody asked a moment before, and ten seconds after the first request it is read anyway."""
    asked("wr1")
    ReadRequest.objects.update(ripe_at=Now() + timedelta(seconds=2))
    assert read_waiting() == 1
    assert waits()["wr1"] == pytest.approx(2, abs=0.3)


def test_a_version_that_the_platform_does_not_show_yet_is_waited_for(platform, asked):
    asked("wr1", versions={"wr1": "v2"})
    platform.shown["wr1"] = "v1"
    read_waiting()
    first = waits()["wr1"]
    due_at_once()
    read_waiting()
    assert waits()["wr1"] > first > 1
    assert ReadRequest.objects.get().reason == "平台还没有更新，稍后再读。"

    platform.shown["wr1"] = "v2"
    due_at_once()
    read_waiting()
    assert platform.applied == [("wr1", "v2")]


def test_a_version_that_never_comes_is_not_waited_for_for_ever(platform, asked):
    asked("wr1", versions={"wr1": "v2"})
    for tries in range(1, 7):
        assert not platform.applied
        due_at_once()
        assert read_waiting() == 1
        assert len(platform.fetched) == tries
    assert platform.applied == [("wr1", "v1")]
    assert not ReadRequest.objects.exists()


def test_an_object_that_is_gone_is_told_to_its_reader(platform, asked):
    asked("wr1")
    platform.shown["wr1"] = refusal(40050, Kind.STALE, Outcome.PERMANENT)
    read_waiting()
    assert platform.gone_ids == [("wr1", 40050)]
    assert not ReadRequest.objects.exists()


def test_a_platform_that_is_away_is_asked_again_and_again(platform, asked):
    asked("wr1")
    platform.shown["wr1"] = refusal(0, Kind.TRANSIENT, Outcome.UNKNOWN)
    longest = 0
    for _ in range(12):
        assert read_waiting() == 1
        longest = max(longest, waits()["wr1"])
        due_at_once()
    assert 200 < longest < 400
    row = ReadRequest.objects.get()
    assert row.state == "waiting"
    assert "连不上平台" in row.reason
    del platform.shown["wr1"]
    read_waiting()
    assert not ReadRequest.objects.exists()


def test_a_limit_of_calls_lets_all_of_its_kind_wait(platform, asked):
    asked("wr1", "wr2", *[f"x{n}" for n in range(20)])
    platform.default = refusal(45009, Kind.RATE, Outcome.RETRYABLE, retry_after=90)
    read_waiting()
    assert len(platform.fetched) == 8
    assert all(wait == pytest.approx(90, abs=1) for wait in waits().values())
    assert set(ReadRequest.objects.values_list("attempt_count", flat=True)) == {0}


def test_an_app_without_rights_fails_and_its_connection_asks_for_a_person(
    listener, platform, asked
):
    asked("wr1")
    request_read(listener, KIND, "wr3")
    platform.shown["wr1"] = refusal(48002, Kind.CONFIG, Outcome.PERMANENT)
    read_waiting()
    row = ReadRequest.objects.get(external_id="wr1")
    assert row.state == "failed"
    assert "48002" in row.reason
    assert waits()["wr3"] == pytest.approx(300, abs=1)
    listener.refresh_from_db()
    assert (listener.state, listener.state_code) == ("failing", "48002")

    asked("wr2")
    read_waiting()
    listener.refresh_from_db()
    assert listener.state == "connected"


def test_an_object_out_of_our_sight_says_nothing_about_the_connection(listener, platform, asked):
    asked("wr1")
    platform.shown["wr1"] = refusal(60011, Kind.CONFIG, Outcome.PERMANENT)
    read_waiting()
    assert ReadRequest.objects.get().state == "failed"
    listener.refresh_from_db()
    assert listener.state == "connected"


def test_a_mistake_of_ours_is_tried_five_times_and_hurts_nothing_else(platform, asked):
    asked("bad", "good")
    platform.shown["bad"] = KeyError("no such field")
    for _ in range(8):
        read_waiting()
        due_at_once()
    row = ReadRequest.objects.get()
    assert (row.external_id, row.state, row.attempt_count) == ("bad", "failed", 5)
    assert row.reason == "KeyError"
    assert platform.fetched.count("bad") == 5
    assert platform.applied == [("good", "v1")]


def test_what_could_not_be_written_leaves_nothing_behind(platform, asked):
    asked("wr1")
    platform.broken = ValueError("broken")
    read_waiting()
    assert ReadRequest.objects.get().reason == "ValueError"
    platform.broken = None
    due_at_once()
    read_waiting()
    assert not ReadRequest.objects.exists()


def test_an_object_whose_reader_dies_is_taken_alone_and_at_last_left_alone(
    listener, platform, asked
):
    asked("killer", "wr2")
    assert len(claim_reads(listener.pk, most=8).objects) == 2
    due_at_once()
    claim = claim_lost_read(listener.pk, reason="-")
    assert len(claim.objects) == 1
    ReadRequest.objects.filter(external_id="wr2").delete()
    for _ in range(3):
        due_at_once()
        assert claim_lost_read(listener.pk, reason="-")
    due_at_once()
    assert read_waiting() == 0
    row = ReadRequest.objects.get()
    assert (row.state, row.reason) == ("failed", "读取它的进程多次中断。")
    assert platform.fetched == []


def test_a_kind_that_nobody_reads_fails_visibly(listener):
    request_read(listener, "unheard_of", "x", delay=timedelta())
    read_waiting()
    assert ReadRequest.objects.get().reason == "没有功能读取这类对象。"


def test_a_failed_object_is_read_again_when_something_happens_to_it(listener, platform, asked):
    asked("wr1")
    ReadRequest.objects.update(state="failed", attempt_count=5, reason="x")
    asked("wr1")
    read_waiting()
    assert platform.applied == [("wr1", "v1")]


def test_a_paused_connection_reads_nothing(listener, platform, asked):
    asked("wr1")
    type(listener).objects.update(state="paused")
    assert read_waiting() == 0
    sweep_reads()
    assert platform.fetched == []


def test_one_reader_that_waits_for_a_slow_platform_draws_in_no_other(listener, platform, asked):
    assert not reader_is_needed(1)
    asked(*[f"wr{n}" for n in range(9)])
    assert reader_is_needed(1)
    assert claim_reads(listener.pk, most=8)
    assert not reader_is_needed(1)
    assert reader_is_needed(2)


@pytest.mark.django_db(transaction=True)
def test_objects_are_fetched_at_once_with_no_transaction_open(platform):
    platform.in_test_transaction = False
    listener = listening()
    request_reads(listener, KIND, [f"wr{n}" for n in range(20)], delay=timedelta())
    assert read_slice(seconds=10) is False
    assert len(platform.applied) == len(set(platform.fetched)) == len(platform.fetched) == 20
    assert not ReadRequest.objects.exists()


# --- Operators ------------------------------------------------------------------------------------


def test_a_failed_reading_can_be_tried_again(listener, platform, asked):
    asked("wr1")
    ReadRequest.objects.update(state="failed", attempt_count=5, lost_count=5, reason="x")
    actor = UserFactory(enterprise=listener.enterprise)

    replayed = replay_read(ReadRequest.objects.get().pk, actor=actor)

    assert (replayed.state, replayed.attempt_count, replayed.reason) == ("waiting", 0, "")
    audit = AuditEvent.objects.get(verb="replay_read")
    assert (audit.object_type, audit.object_id) == ("wecom.wecomconnection", listener.pk)
    assert audit.after["external_id"] == "wr1"
    assert read_waiting() == 1
    assert not ReadRequest.objects.exists()


def test_a_reading_that_waits_is_not_tried_again(listener, platform, asked):
    asked("wr1")
    row = ReadRequest.objects.get()
    with pytest.raises(ReadHasNotFailed):
        replay_read(row.pk, actor=UserFactory(enterprise=listener.enterprise))
    with pytest.raises(ReadRequest.DoesNotExist):
        replay_read(row.pk, actor=UserFactory())
