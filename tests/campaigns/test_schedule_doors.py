"""Schedules and working days through the API and the pages of operators."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from campaigns.models import Broadcast, HolidayOverride, Schedule
from campaigns.rules.schedules import DayRule, ScheduleKind
from campaigns.rules.status import BroadcastStatus
from campaigns.schedule_words import words_of
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import Role
from scrm.shared.diagnosis import Status
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import BroadcastFactory
from tests.campaigns.schedules import recurring_broadcast, schedule_for
from tests.communities.factories import TierFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/broadcast-schedules/"
DAYS = "/api/v1/holiday-overrides/"
DAILY = {"kind": "recurring", "rrule": "FREQ=DAILY", "local_time": "10:00"}


@pytest.fixture
def operator():
    return UserFactory(role=Role.OPERATOR, is_staff=True)


@pytest.fixture
def administrator(operator):
    return UserFactory(role=Role.ADMINISTRATOR, enterprise=operator.enterprise, is_staff=True)


def api_of(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def api(operator):
    return api_of(operator)


@pytest.fixture
def draft(operator):
    return BroadcastFactory(author=operator, name="周末活动")


def test_a_schedule_is_given_changed_looked_at_and_taken_back(api, draft):
    made = api.post(URL, {**DAILY, "broadcast": draft.pk})
    assert made.status_code == 201
    schedule = made.json()
    assert (schedule["words"], len(schedule["next_times"])) == ("每天 10:00", 5)
    assert schedule["scheduled_at"] is None

    url = f"{URL}{schedule['id']}/"
    changed = api.patch(url, {"rrule": "FREQ=WEEKLY;BYDAY=MO,TH"}).json()
    assert changed["words"] == "每周一、周四 10:00"
    assert {datetime.fromisoformat(at).weekday() for at in changed["next_times"]} == {0, 3}
    assert [row["id"] for row in api.get(URL).json()["results"]] == [schedule["id"]]

    assert api.delete(url).status_code == 204
    assert not Schedule.objects.exists()


def test_a_rule_is_tried_out_without_writing_anything(api):
    rule = {"kind": "festival", "festivals": ["spring_festival"], "local_time": "20:00"}

    preview = api.post(f"{URL}preview/", {**rule, "day_offset": -1}).json()

    assert len(preview["next_times"]) == 5
    assert preview["unknown_years"] == []
    working = api.post(f"{URL}preview/", {**rule, "day_rule": "next_working_day"}).json()
    assert len(working["unknown_years"]) >= 4
    assert not Schedule.objects.exists()


@pytest.mark.parametrize(
    ("change", "attr"),
    [
        ({"rrule": "FREQ=SECONDLY"}, "rrule"),
        ({"time_zone": "Nowhere"}, "time_zone"),
        ({"local_time": "25:00"}, "local_time"),
        ({"kind": "tier_reached"}, "tier"),
        ({"kind": "festival", "festivals": ["x"]}, "festivals"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_at_its_field(api, draft, change, attr):
    answer = api.post(URL, {**DAILY, **change, "broadcast": draft.pk})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"].startswith(attr)


def test_a_running_schedule_is_ended(api, operator):
    broadcast = recurring_broadcast(
        scheduled_at=timezone.now() + timedelta(hours=1), author=operator
    )

    ended = api.post(f"{URL}{broadcast.schedule.pk}/end/").json()

    assert ended["scheduled_at"] is None
    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.CANCELLED  # nothing was ever sent


def test_a_working_day_of_ones_own_moves_what_waits_for_it(administrator, operator):
    """Tomorrow becomes a day of rest, then a working day again."""
    api = api_of(administrator)
    now = timezone.now()
    tomorrow = ((now + timedelta(hours=8)).astimezone(UTC) + timedelta(days=1)).date()
    at = datetime.combine(tomorrow, time(2), UTC)
    rule = {"local_time": time(10), "day_rule": DayRule.WORKING_DAYS}
    broadcast = recurring_broadcast(scheduled_at=at, author=operator, rule=rule)
    works = {"day": tomorrow.isoformat(), "is_working_day": True, "name": "开工"}

    day = api.post(DAYS, works).json()
    assert api.post(DAYS, works).status_code == 409
    broadcast.refresh_from_db()
    assert broadcast.scheduled_at == at

    api.patch(f"{DAYS}{day['id']}/", {"is_working_day": False})
    broadcast.refresh_from_db()
    assert broadcast.scheduled_at > at + timedelta(hours=23)

    api.patch(f"{DAYS}{day['id']}/", {"is_working_day": True})
    broadcast.refresh_from_db()
    assert broadcast.scheduled_at == at
    assert api.delete(f"{DAYS}{day['id']}/").status_code == 204
    verbs = AuditEvent.objects.filter(object_type="campaigns.holidayoverride")
    assert sorted(verbs.values_list("verb", flat=True)) == [
        "remove_holiday",
        "set_holiday",
        "set_holiday",
        "set_holiday",
    ]


def test_only_who_sets_the_rules_of_sending_says_when_it_is_a_working_day(api):
    body = {"day": "2031-05-04", "is_working_day": True}

    assert api.post(DAYS, body).status_code == 403
    assert api.get(DAYS).status_code == 200


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"rrule": "FREQ=WEEKLY;BYDAY=MO,TH"}, "每周一、周四 10:00"),
        ({"rrule": "FREQ=MONTHLY;BYMONTHDAY=1,-1"}, "每月 1 号、倒数第 1 天 10:00"),
        ({"rrule": "FREQ=MONTHLY;BYDAY=2SA"}, "FREQ=MONTHLY;BYDAY=2SA 10:00"),
        ({"kind": "festival", "festivals": ["qixi"], "day_offset": -2}, "七夕前 2 天 10:00"),
        (
            {"kind": "member_day", "member_day": 8, "day_rule": "rest_days"},
            "每月 8 号 10:00，只在休息日",
        ),
        ({"kind": "birthday", "time_zone": "Asia/Tokyo"}, "成员生日 10:00（Asia/Tokyo）"),
        ({"kind": "silent", "silent_days": 30}, "连续沉默 30 天 10:00"),
    ],
)
def test_a_schedule_is_a_sentence(draft, rule, words):
    assert words_of(schedule_for(draft, **rule)) == words


def test_a_tier_has_its_name_in_the_sentence(draft):
    tier = TierFactory(scheme__enterprise=draft.enterprise, name="金卡")

    schedule = schedule_for(draft, kind=ScheduleKind.TIER_REACHED, tier=tier)

    assert words_of(schedule) == "达到“金卡”之后 10:00"


def test_operators_see_what_recurs_and_end_it(client, operator):
    client.force_login(operator)
    broadcast = recurring_broadcast(
        scheduled_at=timezone.now() + timedelta(hours=1),
        author=operator,
        rule={"day_rule": DayRule.WORKING_DAYS, "max_count": 400},
    )
    schedule = broadcast.schedule

    listed = client.get(reverse("admin:campaigns_schedule_changelist")).content.decode()
    assert "每天 10:00" in listed
    page = client.get(reverse("admin:campaigns_schedule_change", args=[schedule.pk]))
    assert "0 次，最多 400 次" in page.content.decode()

    end = reverse("admin:campaigns_schedule_end", args=[schedule.pk])
    client.post(end, {"_form_submitted": "on"})
    assert Broadcast.objects.get(pk=broadcast.pk).status == BroadcastStatus.CANCELLED
    again = client.post(end, {"_form_submitted": "on"}, follow=True)
    assert "只有已排期或发送中" in again.content.decode()


def test_administrators_keep_the_days_that_others_do_not_know(client, administrator):
    client.force_login(administrator)
    add = reverse("admin:campaigns_holidayoverride_add")

    client.post(add, {"day": "2031-05-04", "is_working_day": "on", "name": "补班"})

    override = HolidayOverride.objects.get()
    assert (override.day, override.is_working_day) == (date(2031, 5, 4), True)
    listed = client.get(reverse("admin:campaigns_holidayoverride_changelist"))
    assert "2031-05-04" in listed.content.decode()
    url = reverse("admin:campaigns_holidayoverride_change", args=[override.pk])
    client.post(url, {"is_working_day": "", "name": "补班"})
    assert not HolidayOverride.objects.get().is_working_day
    client.post(
        reverse("admin:campaigns_holidayoverride_delete", args=[override.pk]), {"post": "yes"}
    )
    assert not HolidayOverride.objects.exists()


def test_the_doctor_misses_the_make_up_days_of_a_year_that_is_near(draft, monkeypatch):
    from campaigns import doctor

    monkeypatch.setattr(doctor, "database_now", lambda: datetime(2029, 12, 20, tzinfo=UTC))
    assert doctor.working_days_are_known().status == Status.OK
    schedule_for(draft, day_rule=DayRule.WORKING_DAYS)

    finding = doctor.working_days_are_known()
    assert finding.status == Status.WARNING
    assert "2030" in finding.detail

    HolidayOverride.objects.create(
        enterprise=draft.enterprise, day=date(2030, 2, 9), is_working_day=True
    )
    assert doctor.working_days_are_known().status == Status.OK
