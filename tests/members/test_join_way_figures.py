from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from communities.models import JoinWay
from communities.rules.status import JoinWayState
from members.models import Stay
from members.rules.status import LeaveReason
from members.selectors.join_ways import (
    Figures,
    Period,
    figures_by_day,
    figures_by_source,
    figures_of,
    with_figures,
)
from scrm.accounts.models import AuditEvent
from tests.accounts.factories import UserFactory
from tests.communities.factories import (
    CommunityFactory,
    GroupChatFactory,
    JoinRouteFactory,
    JoinWayDayFactory,
    JoinWayFactory,
)
from tests.members.factories import StayFactory

pytestmark = pytest.mark.django_db

SHANGHAI = ZoneInfo("Asia/Shanghai")
MARCH = Period(date(2026, 3, 1), date(2026, 3, 31), SHANGHAI)


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def api(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def page(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def way(user):
    return JoinWayFactory(community__enterprise=user.enterprise, name="上海海报")


def stay(way, joined, left=None, reason=LeaveReason.SELF):
    return StayFactory(
        membership__community=way.community,
        join_way=way,
        joined_at=joined,
        left_at=left,
        leave_reason=reason if left else "",
    )


def at(text):
    """In Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


# --- counting -----------------------------------------------------------------------------------


def test_scans_joins_quits_and_who_is_there():
    way = JoinWayFactory()
    JoinWayDayFactory(join_way=way, day=date(2026, 2, 28), scan_count=100)
    JoinWayDayFactory(join_way=way, day=date(2026, 3, 1), scan_count=7)
    JoinWayDayFactory(join_way=way, day=date(2026, 3, 31), scan_count=5)
    stay(way, at("2026-03-02"))
    stay(way, at("2026-03-02"), at("2026-03-05"))
    stay(way, at("2026-03-02"), at("2026-03-20"))
    stay(way, at("2026-03-30"), at("2026-04-02"))
    stay(way, at("2026-01-01"), at("2026-03-03"))
    stay(way, at("2026-01-01"))
    stay(way, at("2026-03-02"), at("2026-03-09"), LeaveReason.DISSOLVED)
    stay(JoinWayFactory(), at("2026-03-02"))

    assert figures_of(way, MARCH) == Figures(scans=12, joins=5, quits=3, early_quits=2, current=2)


def test_days_end_at_midnight_of_the_enterprise():
    way = JoinWayFactory()
    stay(way, at("2026-03-31T23:59:59"), at("2026-04-01T00:00:00"))
    stay(way, at("2026-02-28T23:59:59"), at("2026-03-01T00:00:00"))

    found = figures_of(way, MARCH)
    days = figures_by_day(way, MARCH)

    assert (found.joins, found.quits) == (1, 1)
    assert [day for day, each in days.items() if each.joins] == [date(2026, 3, 31)]
    assert [day for day, each in days.items() if each.quits] == [date(2026, 3, 1)]
    assert len(days) == 31


def test_the_days_add_up_to_the_total():
    way = JoinWayFactory()
    for day in range(1, 29):
        JoinWayDayFactory(join_way=way, day=date(2026, 3, day), scan_count=day)
        joined = datetime(2026, 3, day, 16 + day % 8, tzinfo=UTC)
        stay(way, joined, joined + timedelta(days=2) if day % 2 else None)

    days, total = figures_by_day(way, MARCH).values(), figures_of(way, MARCH)

    assert sum(each.scans for each in days) == total.scans
    assert sum(each.joins for each in days) == total.joins
    assert sum(each.quits for each in days) == total.quits


def test_ways_of_one_source_are_one_line():
    community = CommunityFactory()
    one, two = JoinWayFactory.create_batch(2, community=community, source="store")
    poster = JoinWayFactory(community=community, source="poster")
    JoinWayDayFactory(join_way=one, day=date(2026, 3, 1), scan_count=1)
    JoinWayDayFactory(join_way=two, day=date(2026, 3, 1), scan_count=2)
    stay(two, at("2026-03-02"))

    found = figures_by_source(JoinWay.objects.filter(community=community), MARCH)

    assert found["store"] == Figures(scans=3, joins=1, current=1)
    assert found[poster.source] == Figures()


def test_a_list_carries_the_same_figures():
    ways = JoinWayFactory.create_batch(2)
    for way in ways:
        JoinWayDayFactory(join_way=way, day=date(2026, 3, 1), scan_count=way.pk)
        stay(way, at("2026-03-02"), at("2026-03-05"))
        stay(way, at("2026-03-02"))

    listed = with_figures(JoinWay.objects.all(), MARCH)

    assert {(row.pk, row.scans, row.joins, row.quits) for row in listed} == {
        (way.pk, way.pk, 2, 1) for way in ways
    }


# --- the API ------------------------------------------------------------------------------------


def test_the_api_tells_the_figures_of_a_way_by_day(api, way):
    JoinWayDayFactory(join_way=way, day=date(2026, 3, 2), scan_count=9)
    stay(way, at("2026-03-02"), at("2026-03-03"))

    answer = api.get(f"/api/v1/join-ways/{way.pk}/figures/?from=2026-03-01&to=2026-03-03")

    assert answer.json() == {
        "from": "2026-03-01",
        "to": "2026-03-03",
        "total": {"scans": 9, "joins": 1, "quits": 1, "early_quits": 1, "current": 0},
        "days": [
            {"day": "2026-03-01", "scans": 0, "joins": 0, "quits": 0},
            {"day": "2026-03-02", "scans": 9, "joins": 1, "quits": 0},
            {"day": "2026-03-03", "scans": 0, "joins": 0, "quits": 1},
        ],
    }


def test_without_a_period_it_is_the_last_thirty_days(api, way, time_machine):
    time_machine.move_to("2026-03-31T17:00:00Z")  # already April in Shanghai

    answer = api.get(f"/api/v1/join-ways/{way.pk}/figures/").json()

    assert (answer["from"], answer["to"], len(answer["days"])) == ("2026-03-03", "2026-04-01", 30)


@pytest.mark.parametrize(
    "query",
    [
        "from=2026-03-02&to=2026-03-01",
        "from=2024-01-01&to=2026-01-01",
        "from=yesterday",
        "to=9999-12-31",
        "to=0001-01-01",
        "form=2026-01-01",
    ],
)
def test_a_period_that_cannot_be_is_refused(api, way, query):
    assert api.get(f"/api/v1/join-ways/{way.pk}/figures/?{query}").status_code == 400


def test_sources_are_told_by_scans_and_of_one_community_when_asked(api, way, user):
    other = JoinWayFactory(community__enterprise=user.enterprise, source="store")
    JoinWayDayFactory(join_way=other, day=timezone.now().date(), scan_count=9)
    foreign = JoinWayFactory(source="secret")

    def listed(query=""):
        answer = api.get(f"/api/v1/join-ways/sources/{query}")
        return answer.status_code, [row["source"] for row in answer.json().get("results", ())]

    assert listed() == (200, ["store", "poster"])
    assert listed(f"?community={way.community_id}") == (200, ["poster"])
    assert listed(f"?community={foreign.community_id}")[0] == 400
    assert listed("?community=x")[0] == 400
    assert listed("?community=")[0] == 400


def test_the_api_tells_how_much_room_is_left(api, way):
    chat = GroupChatFactory(community=way.community, capacity=10, member_count=8)
    foreign = CommunityFactory()

    answer = api.get(f"/api/v1/communities/{way.community_id}/capacity/").json()

    assert (answer["room"], answer["is_nearly_full"], answer["forecast"]) == (2, True, None)
    assert answer["chats"][0]["chat"] == chat.pk
    assert api.get(f"/api/v1/communities/{foreign.pk}/capacity/").status_code == 404


def test_a_forecast_is_told_with_its_range(api, way):
    made = timezone.now() - timedelta(days=50)
    chat = GroupChatFactory(community=way.community, capacity=100, created_at=made)
    for _ in range(14):
        StayFactory(membership__community=way.community, chat=chat)

    forecast = api.get(f"/api/v1/communities/{way.community_id}/capacity/").json()["forecast"]

    assert forecast["days"] == 100
    assert forecast["earliest"] < 100 < forecast["latest"]


# --- the admin ----------------------------------------------------------------------------------


def admin_url(name, *args):
    return reverse(f"admin:communities_joinway_{name}", args=args)


def test_the_list_shows_thirty_days_with_as_many_queries_for_three_rows_as_for_one(
    user, page, way, django_assert_num_queries, django_assert_max_num_queries
):
    JoinWayDayFactory(join_way=way, day=timezone.now().date(), scan_count=4321)
    page.get(admin_url("changelist"))
    with django_assert_max_num_queries(20) as first:
        assert "4321" in page.get(admin_url("changelist")).content.decode()
    for another in JoinWayFactory.create_batch(2, community__enterprise=user.enterprise):
        stay(another, timezone.now())
    with django_assert_num_queries(len(first)):
        page.get(admin_url("changelist"))


def test_the_page_shows_the_link_the_qr_code_and_what_came_of_it(page, way, settings):
    settings.PUBLIC_URL = "https://q.example"
    stay(way, timezone.now())

    text = page.get(admin_url("change", way.pk)).content.decode()

    assert f'data-copy="https://q.example/j/{way.code}"' in text
    assert f'src="/api/v1/join-ways/{way.pk}/qr.svg"' in text
    assert f'download="{way.code}.png"' in text
    assert "入群 1" in text


def test_the_page_of_a_new_way_makes_one_by_the_verb(page, user, way):
    page.post(
        admin_url("add"),
        {"community": way.community_id, "name": "门店台卡", "source": "store-1"},
    )

    made = JoinWay.objects.get(name="门店台卡")
    assert (made.created_by, made.source, len(made.code)) == (user, "store-1", 7)
    assert AuditEvent.objects.get().verb == "create_join_way"


def routes_form(way, *rows, **fields):
    form = {
        "name": way.name,
        "source": way.source,
        "routes-TOTAL_FORMS": len(rows),
        "routes-INITIAL_FORMS": sum("id" in row for row in rows),
        **fields,
    }
    for number, row in enumerate(rows):
        form |= {f"routes-{number}-{name}": value for name, value in row.items()}
        form[f"routes-{number}-join_way"] = way.pk
    return form


def test_routes_are_saved_together_by_the_verb(page, way):
    old = JoinRouteFactory(join_way=way)
    kept = JoinRouteFactory(join_way=way)
    new = GroupChatFactory(community=way.community)

    answer = page.post(
        admin_url("change", way.pk),
        routes_form(
            way,
            {"id": old.pk, "chat": old.chat_id, "weight": 1, "region": "", "DELETE": "on"},
            {"id": kept.pk, "chat": kept.chat_id, "weight": 5, "region": ""},
            {"chat": new.pk, "weight": 0, "region": ""},
        ),
    )

    assert answer.status_code == 302
    assert set(way.routes.values_list("chat", "weight")) == {(kept.chat_id, 5), (new.pk, 0)}
    assert [event.verb for event in AuditEvent.objects.all()] == ["set_routes"]


def test_saving_without_a_change_changes_nothing(page, way):
    kept = JoinRouteFactory(join_way=way)

    page.post(
        admin_url("change", way.pk),
        routes_form(way, {"id": kept.pk, "chat": kept.chat_id, "weight": 1, "region": ""}),
    )

    assert way.routes.get() == kept
    assert not AuditEvent.objects.exists()


def test_a_chat_of_another_community_cannot_be_chosen(page, way, user):
    elsewhere = GroupChatFactory(community__enterprise=user.enterprise)

    answer = page.post(
        admin_url("change", way.pk),
        routes_form(way, {"chat": elsewhere.pk, "weight": 1, "region": ""}),
    )

    assert answer.status_code == 200
    assert not way.routes.exists()


def test_a_closed_way_says_why_it_cannot_be_changed(page, way):
    JoinWay.objects.update(state=JoinWayState.CLOSED)

    answer = page.post(admin_url("change", way.pk), routes_form(way, name="新名"))

    assert "已停用" in answer.content.decode()
    assert JoinWay.objects.get().name == "上海海报"


def test_buttons_pause_resume_and_close(page, way):
    for verb, state in (("pause", "paused"), ("resume", "active"), ("close", "closed")):
        page.post(admin_url(verb, way.pk), {"_form_submitted": "on"})
        assert JoinWay.objects.get().state == state
    assert Stay.objects.count() == 0
