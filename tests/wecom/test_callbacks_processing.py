"""From stored callbacks to effects: once each, in order, and whatever fails hurts only itself."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.db.models.functions import Now

from scrm.accounts.models import AuditEvent
from scrm.shared.errors import DomainError
from scrm.wecom import handlers
from scrm.wecom.errors import EventIsNotReplayable, PayloadIsGone
from scrm.wecom.models import InboundEvent, ReadRequest
from scrm.wecom.rules.envelopes import event_of
from scrm.wecom.services.event_claims import claim_new, claim_suspect
from scrm.wecom.services.inbox import replay_event, store_callback
from scrm.wecom.services.payloads import empty_old_payloads
from scrm.wecom.services.processing import process_slice, process_waiting
from scrm.wecom.services.reading import request_reads
from scrm.wecom.tasks import sweep_inbox
from tests.accounts.factories import UserFactory
from tests.wecom.callbacks import due_at_once, listening, told


class Refused(DomainError):
    code = "refused"


class Recorder:
    """A handler whose effects are rows: the number of a request counts how often it was made."""

    def __init__(self):
        self.batches = []
        self.poison = set()

    def __call__(self, connected, events):
        names = [event["ChatId"] for event in events]
        self.batches.append(names)
        request_reads(connected, "chat", names)
        for event in events:
            if event["ChatId"] in self.poison:
                raise Refused("今天不行")
        return {event.row_id: "没有用" for event in events if event["Useless"]}

    @property
    def seen(self):
        return [name for batch in self.batches for name in batch]


@pytest.fixture
def recorder():
    recorder = Recorder()
    handlers.on_event("tested", ["one", "two"], recorder)
    yield recorder
    for change_type in ("one", "two"):
        del handlers._handles["tested", change_type]


@pytest.fixture
def listener(db):
    return listening()


def arrive(listener, *chats, change_type="one", **fields):
    for chat in chats:
        message = told("tested", change_type, ChatId=chat, **fields)
        assert store_callback(listener, event_of(message), message)


def states():
    return dict(InboundEvent.objects.values_list("subject", "state"))


def effects():
    return dict(ReadRequest.objects.values_list("external_id", "number"))


def test_callbacks_are_processed_together_in_the_order_of_their_arrival(listener, recorder):
    arrive(listener, "c", "a")
    arrive(listener, "b", change_type="two")
    arrive(listener, "d")

    assert process_waiting() == 4

    assert recorder.batches == [["c", "a", "b", "d"]]
    assert set(states().values()) == {"processed"}
    row = InboundEvent.objects.first()
    assert row.settled_at is not None
    assert (row.token, row.reason, row.attempt_count) == (None, "", 1)
    assert process_waiting() == 0


def test_batches_are_bounded_and_a_limit_is_kept(listener, recorder):
    arrive(listener, *[f"wr{n}" for n in range(7)])
    assert process_waiting(limit=3) == 3
    assert recorder.seen == ["wr0", "wr1", "wr2"]
    assert process_slice(seconds=5) is False
    assert recorder.seen == [f"wr{n}" for n in range(7)]


def test_a_handler_is_given_what_the_callback_said(listener):
    seen = []
    handlers.on_event("looked_at", ["x"], lambda connected, events: seen.extend(events))
    try:
        message = told("looked_at", "x", "<MemChangeList>a,b</MemChangeList>", ChatId="wr1")
        store_callback(listener, event_of(message), message)
        process_waiting()
    finally:
        del handlers._handles["looked_at", "x"]
    (event,) = seen
    row = InboundEvent.objects.get()
    assert (event.row_id, event.received_at) == (row.pk, row.received_at)
    assert (event["ChatId"], event["Nothing"], event.members) == ("wr1", "", ("a", "b"))
    assert event.occurred_at == row.occurred_at


def test_what_nobody_handles_is_ignored_visibly(listener):
    message = told("sys_unheard_of", "never_seen")
    store_callback(listener, event_of(message), message)
    process_waiting()
    row = InboundEvent.objects.get()
    assert (row.state, row.reason) == ("ignored", "没有功能处理这类事件。")
    assert row.settled_at is not None


def test_what_a_handler_could_not_use_is_ignored_with_its_reason(listener, recorder):
    arrive(listener, "a", Useless="1")
    arrive(listener, "b")
    process_waiting()
    assert states() == {"a": "ignored", "b": "processed"}
    assert InboundEvent.objects.get(subject="a").reason == "没有用"


def test_a_payload_under_a_lost_key_fails_and_the_rest_goes_on(listener, recorder):
    arrive(listener, "a", "b")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE wecom_inboundevent SET payload = 'sealed' WHERE subject = 'a'")
    process_waiting()
    assert list(InboundEvent.objects.order_by("pk").values_list("state", flat=True)) == [
        "failed",
        "processed",
    ]


# --- Failing --------------------------------------------------------------------------------------


def test_a_callback_that_fails_hurts_only_itself_and_at_last_waits_for_a_person(listener, recorder):
    recorder.poison = {"bad"}
    arrive(listener, "a", "bad", "b")

    process_waiting()

    assert states() == {"a": "processed", "bad": "waiting", "b": "processed"}
    bad = InboundEvent.objects.get(subject="bad")
    assert (bad.attempt_count, bad.reason) == (2, "今天不行")
    assert bad.due_at - InboundEvent.objects.get(subject="a").settled_at > timedelta(seconds=1)

    for _ in range(10):
        due_at_once()
        process_waiting()
    bad.refresh_from_db()
    assert (bad.state, bad.attempt_count, bad.reason) == ("failed", 5, "今天不行")
    assert recorder.seen.count("bad") == 5
    assert effects() == {"a": 1, "b": 1}


def test_a_hundred_callbacks_among_them_poison_are_processed_once(listener, recorder):
    names = [f"wr{n}" for n in range(100)]
    recorder.poison = {"wr7", "wr70"}
    arrive(listener, *names)
    for _ in range(6):
        process_waiting()
        due_at_once()
    assert effects() == {name: 1 for name in names if name not in recorder.poison}
    assert InboundEvent.objects.filter(state="failed").count() == 2


def test_callbacks_lost_with_their_worker_are_taken_one_by_one(listener, recorder):
    arrive(listener, "a", "b", "c")
    lost = claim_new(listener.pk)
    assert len(lost.rows) == 3
    assert process_waiting() == 0  # somebody seems to be at it

    due_at_once()
    process_waiting()

    assert recorder.batches == [["a"], ["b"], ["c"]]
    assert set(states().values()) == {"processed"}


def test_a_callback_that_kills_its_worker_is_tried_five_times(listener, recorder):
    arrive(listener, "killer")
    assert claim_new(listener.pk)
    for _ in range(4):
        due_at_once()
        assert claim_suspect(listener.pk, lost="-")
    due_at_once()
    assert process_waiting() == 0
    row = InboundEvent.objects.get()
    assert (row.state, row.attempt_count) == ("failed", 5)
    assert row.reason == "处理它的进程多次中断。"
    assert recorder.batches == []


def test_who_lost_the_lease_writes_nothing(listener, recorder):
    from scrm.wecom.services.processing import _process

    arrive(listener, "a", "b")
    late = claim_new(listener.pk)
    due_at_once()
    process_waiting()
    assert recorder.batches == [["a"], ["b"]]

    _process(listener, late)

    assert effects() == {"a": 1, "b": 1}
    assert set(states().values()) == {"processed"}


def test_new_callbacks_do_not_wait_for_one_that_is_being_tried_again(listener, recorder):
    recorder.poison = {"bad"}
    arrive(listener, "bad")
    process_waiting()
    due_at_once()
    assert claim_suspect(listener.pk, lost="-")
    arrive(listener, "new")
    assert process_waiting() == 1
    assert states()["new"] == "processed"


# --- Many companies, many workers -----------------------------------------------------------------


def test_the_callbacks_of_a_paused_connection_wait_and_cost_the_others_nothing(listener, recorder):
    paused = listening(state="paused")
    arrive(paused, "theirs")
    arrive(listener, "ours")
    assert process_waiting() == 1
    assert states() == {"theirs": "waiting", "ours": "processed"}
    type(paused).objects.filter(pk=paused.pk).update(state="connected")
    assert process_waiting() == 1


def test_each_company_has_its_turn(listener, recorder):
    other = listening()
    arrive(listener, *[f"a{n}" for n in range(5)])
    arrive(other, "b")
    assert process_waiting(limit=1000) == 6
    assert sorted(map(len, recorder.batches)) == [1, 5]


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_process_everything_once(recorder):
    listeners = [listening() for _ in range(3)]
    names = {each.pk: [f"{each.pk}-{n}" for n in range(60)] for each in listeners}
    for each in listeners:
        arrive(each, *names[each.pk])
    start = threading.Barrier(4)

    def work():
        start.wait()
        while InboundEvent.objects.filter(state="waiting").exists():
            process_waiting(limit=10)
        connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)

    assert effects() == dict.fromkeys((name for each in names.values() for name in each), 1)
    for each in listeners:
        assert [name for name in recorder.seen if name in names[each.pk]] == names[each.pk]


def test_the_sweep_wakes_a_worker_only_if_there_is_something_to_do(
    listener, recorder, django_assert_num_queries
):
    with django_assert_num_queries(1):
        sweep_inbox()


def test_the_number_of_queries_does_not_grow_with_the_batch(
    listener, recorder, django_assert_num_queries
):
    arrive(listener, *[f"wr{n}" for n in range(50)])
    with django_assert_num_queries(14):
        process_slice(seconds=5)


# --- Operators ------------------------------------------------------------------------------------


def test_a_failed_and_an_ignored_callback_can_be_processed_again(listener, recorder):
    actor = UserFactory(enterprise=listener.enterprise)
    arrive(listener, "a", Useless="1")
    process_waiting()
    row = InboundEvent.objects.get()

    replayed = replay_event(row.pk, actor=actor)

    assert (replayed.state, replayed.attempt_count, replayed.reason) == ("waiting", 0, "")
    audit = AuditEvent.objects.get(verb="replay_event")
    assert (audit.actor, audit.object_id) == (actor, row.pk)
    assert audit.before == {"state": "ignored", "reason": "没有用"}
    process_waiting()
    assert recorder.seen == ["a", "a"]


@pytest.mark.parametrize("state", ["waiting", "processed"])
def test_a_callback_that_is_not_in_trouble_is_not_processed_again(listener, recorder, state):
    arrive(listener, "a")
    InboundEvent.objects.update(state=state)
    with pytest.raises(EventIsNotReplayable):
        replay_event(
            InboundEvent.objects.get().pk, actor=UserFactory(enterprise=listener.enterprise)
        )


def test_a_callback_whose_payload_is_gone_cannot_be_processed_again(listener, recorder):
    arrive(listener, "a")
    InboundEvent.objects.update(state="failed", payload="", payload_emptied_at=Now())
    with pytest.raises(PayloadIsGone):
        replay_event(
            InboundEvent.objects.get().pk, actor=UserFactory(enterprise=listener.enterprise)
        )


def test_a_stranger_finds_no_callback_to_process_again(listener, recorder):
    arrive(listener, "a")
    InboundEvent.objects.update(state="failed")
    with pytest.raises(InboundEvent.DoesNotExist):
        replay_event(InboundEvent.objects.get().pk, actor=UserFactory())
    assert InboundEvent.objects.get().state == "failed"


# --- Personal data ends ---------------------------------------------------------------------------


def test_payloads_of_settled_callbacks_are_emptied_after_their_days(listener, recorder, settings):
    settings.WECOM_PAYLOAD_DAYS = 7
    old, young = Now() - timedelta(days=7, minutes=1), Now() - timedelta(days=6, hours=23)
    ages = {"processed": old, "failed": old, "ignored": old, "waiting": old, "young": young}
    arrive(listener, *ages)
    for name, received_at in ages.items():
        state = "processed" if name == "young" else name
        InboundEvent.objects.filter(subject=name).update(received_at=received_at, state=state)

    assert empty_old_payloads(batch=2) is False

    kept = {row.subject for row in InboundEvent.objects.all() if row.payload}
    assert kept == {"waiting", "young"}
    emptied = InboundEvent.objects.filter(payload_emptied_at__isnull=False)
    assert set(emptied.values_list("subject", flat=True)) == {"processed", "failed", "ignored"}
