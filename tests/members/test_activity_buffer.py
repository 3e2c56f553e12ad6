import json
from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from members import doctor
from members.errors import ActivityRefused, BadSource
from members.models import ActivityEvent, ImportRejection, ImportRun, Member, MemberDay
from members.rules.activity import RawEvent
from members.services import activity_buffer
from members.services.activity_buffer import (
    LOCK,
    STREAM,
    UNREADABLE,
    add_to_buffer,
    flush_buffer,
    waiting_events,
)
from members.services.reporting_activity import report_activity
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.rules.roles import DataScope, Role
from scrm.shared.diagnosis import Status
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import MemberFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/activities/"


@pytest.fixture(autouse=True)
def valkey():
    client = redis.Redis.from_url(settings.ACTIVITY_STREAM_URL, decode_responses=True)
    client.delete(STREAM, UNREADABLE)
    yield client
    client.delete(STREAM, UNREADABLE)
    client.close()


@pytest.fixture
def community():
    return CommunityFactory(code="cats")


@pytest.fixture
def member(community):
    return MemberFactory(enterprise=community.enterprise, external_id="m1")


@pytest.fixture
def api(community):
    client = APIClient()
    client.force_authenticate(UserFactory(enterprise=community.enterprise))
    return client


def body(key="k1", **changes):
    at = timezone.now() - timedelta(minutes=5)
    usual = {
        "source": "app",
        "member": "m1",
        "community": "cats",
        "kind": "message",
        "occurred_at": at.isoformat(),
        "dedupe_key": key,
    }
    return {**usual, **changes}


def raw(key="k1", **changes):
    given = body(key, **changes)
    return RawEvent(*(given.get(name, "") for name in RawEvent._fields))


def test_an_event_is_answered_at_once_and_written_by_the_next_slice(api, member):
    answer = api.post(URL, body())

    assert (answer.status_code, answer.json()) == (202, {"source": "app", "dedupe_key": "k1"})
    assert waiting_events() == 1
    assert not ActivityEvent.objects.exists()

    assert flush_buffer(budget=5) == 1

    assert ActivityEvent.objects.get().dedupe_key == "k1"
    assert MemberDay.objects.get().message_count == 1
    assert waiting_events() == 0


def test_an_event_sent_again_counts_once(api, member):
    for _turn in range(2):
        api.post(URL, body())
        flush_buffer(budget=5)
        api.post(URL, body())
    flush_buffer(budget=5)

    assert ActivityEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"member": "nobody"}, "unknown_member"),
        ({"member": None}, "missing_value"),
        ({"community": "nowhere"}, "unknown_community"),
        ({"kind": "dance"}, "unknown_kind"),
        ({"occurred_at": "2026-11-22T09:30:00"}, "naive_time"),
        ({"occurred_at": "2126-11-22T09:30:00Z"}, "future_time"),
        ({"staff": "li.lei"}, "two_people"),
        ({"mood": "good"}, "unknown_field"),
        ({"source": "a b"}, "bad_source"),
        ({"source": 7}, "bad_source"),
        ({"source": None}, "bad_source"),
    ],
)
def test_what_is_wrong_with_an_event_is_said_at_once(api, member, changes, code):
    answer = api.post(URL, body(**changes))

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == code
    assert waiting_events() == 0


@pytest.mark.parametrize("content", ["[]", "7", '"text"', "[{}]", "null"])
def test_what_is_no_event_is_refused(api, content):
    answer = api.post(URL, content, content_type="application/json")

    assert answer.status_code == 400


def test_only_who_may_write_activity_does_and_only_where_they_can_see(community, member):
    reader, narrow = APIClient(), APIClient()
    reader.force_authenticate(UserFactory(enterprise=community.enterprise, role=Role.READ_ONLY))
    staff = StaffFactory(enterprise=community.enterprise)
    narrow.force_authenticate(
        UserFactory(
            enterprise=community.enterprise, staff=staff, data_scope=DataScope.OWN_COMMUNITIES
        )
    )

    assert reader.post(URL, body()).status_code == 403
    assert narrow.post(URL, body()).json()["errors"][0]["code"] == "unknown_community"
    assert waiting_events() == 0


def test_when_too_many_wait_the_sender_is_told_to_come_back(api, member, monkeypatch):
    monkeypatch.setattr(activity_buffer, "LONGEST", 1)
    api.raise_request_exception = False
    assert api.post(URL, body("a")).status_code == 202

    answer = api.post(URL, body("b"))

    assert (answer.status_code, answer.json()["code"]) == (503, "too_much_waits")
    assert answer["Retry-After"] == "5"
    flush_buffer(budget=5)
    assert api.post(URL, body("b")).status_code == 202


def test_without_valkey_an_event_is_written_at_once(api, member, settings):
    settings.ACTIVITY_STREAM_URL = "redis://127.0.0.1:1/0"

    assert api.post(URL, body()).status_code == 202
    assert ActivityEvent.objects.count() == 1


def test_a_verb_refuses_with_the_code_of_the_reason(community, member):
    enterprise, now = community.enterprise, timezone.now()

    with pytest.raises(ActivityRefused) as refusal:
        report_activity(enterprise, raw(kind="dance"), source="app", now=now)
    with pytest.raises(BadSource):
        report_activity(enterprise, raw(), source="a:b", now=now)

    assert refusal.value.code == "unknown_kind"


def test_what_can_no_longer_be_taken_is_set_aside_and_the_rest_is_kept(community, member):
    for key in "abc":
        named = {"member": "gone"} if key == "b" else {}
        add_to_buffer(community.enterprise, raw(key, **named), source="app")

    assert flush_buffer(budget=5) == 3

    assert set(ActivityEvent.objects.values_list("dedupe_key", flat=True)) == {"a", "c"}
    refused = ImportRejection.objects.get()
    assert (refused.code, refused.position) == ("unknown_member", 0)
    assert json.loads(refused.raw)[0] == "gone"
    assert (refused.run.source, refused.run.rejected_count) == ("app", 1)
    task = OperatorTask.objects.get(kind=TaskKind.ACTIVITY_REFUSED)
    assert task.object_id == refused.run_id


def test_refused_events_of_a_day_stand_in_one_list(community):
    for key in "ab":
        add_to_buffer(community.enterprise, raw(key), source="app")
        flush_buffer(budget=5)

    assert ImportRun.objects.get().rejected_count == 2
    assert list(ImportRejection.objects.values_list("position", flat=True)) == [0, 1]
    assert OperatorTask.objects.count() == 1


def test_an_event_that_breaks_the_writing_does_not_stop_the_others(community, member):
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE members_activityevent ADD CONSTRAINT luck CHECK (dedupe_key <> 'k13')"
        )
    for number in range(20):
        add_to_buffer(community.enterprise, raw(f"k{number}"), source="app")

    assert flush_buffer(budget=5) == 20

    assert ActivityEvent.objects.count() == 19
    assert ImportRejection.objects.get().code == "error"
    assert MemberDay.objects.get().message_count == 19


def test_an_entry_that_cannot_be_read_is_put_aside(community, member, valkey):
    valkey.xadd(STREAM, {"event": "{"})
    valkey.xadd(STREAM, {"enterprise": "0", "source": "app", "event": json.dumps(raw("x"))})
    add_to_buffer(community.enterprise, raw("good"), source="app")

    assert flush_buffer(budget=5) == 3

    assert ActivityEvent.objects.get().dedupe_key == "good"
    assert valkey.xlen(UNREADABLE) == 2


def test_several_enterprises_and_sources_wait_in_one_stream(community, member):
    other = MemberFactory(external_id="m1")
    CommunityFactory(enterprise=other.enterprise, code="cats")
    for enterprise in (community.enterprise, other.enterprise):
        for source in ("app", "crm"):
            add_to_buffer(enterprise, raw(), source=source)

    flush_buffer(budget=5)

    assert ActivityEvent.objects.filter(member=member).count() == 2
    assert ActivityEvent.objects.filter(member=other).count() == 2


@pytest.mark.django_db(transaction=True)
def test_one_worker_at_a_time_empties_the_stream():
    community = CommunityFactory(code="cats")
    MemberFactory(enterprise=community.enterprise, external_id="m1")
    add_to_buffer(community.enterprise, raw(), source="app")
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            assert flush_buffer(budget=5) == 0
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
    finally:
        other.close()
    assert waiting_events() == 1

    assert flush_buffer(budget=5) == 1


def test_a_worker_that_dies_after_writing_counts_nothing_twice(community, member):
    add_to_buffer(community.enterprise, raw(), source="app")
    valkey = activity_buffer._valkey_at(settings.ACTIVITY_STREAM_URL)
    entries = valkey.xrange(STREAM)
    activity_buffer._take_in(valkey, entries)  # and here it died

    assert flush_buffer(budget=5) == 1

    assert ActivityEvent.objects.count() == 1
    assert Member.objects.get().days.get().message_count == 1


def test_the_self_check_says_how_many_wait(community, monkeypatch):
    add_to_buffer(community.enterprise, raw(), source="app")
    assert doctor.events_are_written().status == Status.OK

    monkeypatch.setattr(doctor, "MANY_WAIT", 0)

    assert doctor.events_are_written().status == Status.FAILED
