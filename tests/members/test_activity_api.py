from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from members.api.activity import LARGE_BATCH
from members.api.batch import MAX_ITEMS
from members.models import ActivityCoverage, ActivityEvent, MemberDay, Purchase
from members.services.imports import take_in
from scrm.accounts.rules.roles import DataScope, Role
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import (
    ActivityEventFactory,
    ChurnScoreFactory,
    ImportRunFactory,
    MemberDayFactory,
    MemberFactory,
    MembershipFactory,
    PurchaseFactory,
)

pytestmark = pytest.mark.django_db

BATCH = "/api/v1/activities/batch"


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def api(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def community(user):
    return CommunityFactory(enterprise=user.enterprise, code="cats")


@pytest.fixture
def member(user):
    return MemberFactory(enterprise=user.enterprise, external_id="m1")


def event(key="k1", **changes):
    at = timezone.now() - timedelta(hours=1)
    usual = {
        "member": "m1",
        "community": "cats",
        "kind": "message",
        "occurred_at": at.isoformat(),
        "dedupe_key": key,
    }
    return {**usual, **changes}


def batch(*items, source="app"):
    return {"source": source, "items": list(items)}


@pytest.mark.parametrize("url", [BATCH, f"{BATCH}/"])
def test_a_batch_is_counted_once_with_and_without_the_last_slash(api, community, member, url):
    first = api.post(url, batch(event("a"), event("b")))
    again = api.post(url, batch(event("a"), event("b")))

    assert (first.status_code, first.json()) == (
        200,
        {"accepted": 2, "duplicates": 0, "rejected": 0, "errors": []},
    )
    assert (again.status_code, again.json()["duplicates"]) == (200, 2)
    assert MemberDay.objects.get().message_count == 2


def test_one_bad_item_is_answered_by_its_place_and_the_others_are_kept(api, community, member):
    answer = api.post(
        BATCH,
        batch(
            event("a"),
            "not an object",
            event("b", mood="good"),
            event("c", occurred_at="2026-01-01T00:00:00"),
            event("d", member="nobody"),
            event("e", thread=7),
            {},
            event("f"),
        ),
    )

    assert answer.status_code == 207
    body = answer.json()
    assert (body["accepted"], body["rejected"]) == (2, 6)
    assert [(error["index"], error["code"]) for error in body["errors"]] == [
        (1, "not_an_object"),
        (2, "unknown_field"),
        (3, "naive_time"),
        (4, "unknown_member"),
        (5, "not_text"),
        (6, "unknown_kind"),
    ]
    assert all(error["detail"] for error in body["errors"])
    assert set(ActivityEvent.objects.values_list("dedupe_key", flat=True)) == {"a", "f"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"source": "app"},
        {"items": []},
        {"source": "", "items": []},
        {"source": "a b", "items": []},
        {"source": "a:b", "items": []},
        {"source": 7, "items": []},
        {"source": "x" * 41, "items": []},
        {"source": "app", "items": {}},
        {"source": "app", "items": None},
        {"source": "app", "items": [], "extra": 1},
        {"source": "app", "items": [{}] * (LARGE_BATCH + 1)},
    ],
)
def test_an_envelope_that_is_not_one_is_refused_as_a_whole(api, body):
    answer = api.post(BATCH, body)

    assert answer.status_code == 400
    assert answer.json()["code"] == "validation_error"


def test_an_empty_batch_is_taken(api):
    assert api.post(BATCH, batch()).json()["accepted"] == 0


def test_a_full_batch_is_taken_in_few_queries(
    api, community, member, django_assert_max_num_queries
):
    items = [event(f"k{n}") for n in range(MAX_ITEMS)]

    with django_assert_max_num_queries(21):
        answer = api.post(BATCH, batch(*items))

    assert answer.json()["accepted"] == MAX_ITEMS


def test_more_than_a_full_batch_is_taken_in_by_a_worker(api, community, member):
    items = [event(f"k{n}") for n in range(MAX_ITEMS)] + ["not an object"]
    period = {
        "community": "cats",
        "covered_from": "2026-01-01T00:00:00+08:00",
        "covered_to": "2026-02-01T00:00:00+08:00",
    }

    answer = api.post(BATCH, {**batch(*items), "coverage": [period]})
    again = api.post(BATCH, {**batch(*items), "coverage": [period]})

    assert answer.status_code == again.status_code == 202
    assert again["Location"] == answer["Location"]
    assert not ActivityEvent.objects.exists()
    take_in(answer.json()["id"], budget=30)
    run = api.get(answer["Location"]).json()
    assert (run["accepted_count"], run["rejected_count"]) == (MAX_ITEMS, 1)
    assert ActivityEvent.objects.count() == MAX_ITEMS
    assert ActivityCoverage.objects.count() == 2


def test_a_body_beyond_all_limits_is_refused_before_it_is_read(api):
    answer = api.post(BATCH, batch(event("k" * 21 * 1024 * 1024)))

    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.ANALYST, Role.REVIEWER])
def test_only_who_may_write_activity_does(role, community, member):
    client = APIClient()
    client.force_authenticate(UserFactory(enterprise=community.enterprise, role=role))

    assert client.post(BATCH, batch(event())).status_code == 403
    assert not ActivityEvent.objects.exists()


def test_a_narrow_scope_writes_only_where_it_can_see(user, community, member):
    user.staff = StaffFactory(enterprise=user.enterprise)
    user.data_scope = DataScope.OWN_COMMUNITIES
    user.save()
    mine = CommunityFactory(enterprise=user.enterprise, code="mine", owner=user.staff)
    client = APIClient()
    client.force_authenticate(user)

    answer = client.post(BATCH, batch(event("a"), event("b", community="mine")))

    assert [error["code"] for error in answer.json()["errors"]] == ["unknown_community"]
    assert ActivityEvent.objects.get().community == mine


def test_a_source_that_hears_nothing_says_that_it_listens(api, community):
    period = {
        "community": "cats",
        "covered_from": "2026-01-01T00:00:00+08:00",
        "covered_to": "2026-02-01T00:00:00+08:00",
    }
    later = {**period, "covered_to": "2026-03-01T00:00:00+08:00"}

    for told in (later, period):
        assert api.post(BATCH, {**batch(), "coverage": [told]}).status_code == 200

    coverage = ActivityCoverage.objects.get()
    assert (coverage.community, coverage.source) == (community, "app")
    assert coverage.covered_from == datetime(2025, 12, 31, 16, tzinfo=UTC)
    assert coverage.covered_to == datetime(2026, 2, 28, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    "change",
    [
        {"community": "nowhere"},
        {"community": None},
        {"covered_to": "2026-02-01T00:00:00"},
        {"covered_to": "2025-02-01T00:00:00+08:00"},
        {"covered_to": "2100-02-01T00:00:00+08:00"},
        {"covered_from": 7},
        {"until": "now"},
    ],
)
def test_coverage_that_cannot_be_is_refused_and_nothing_is_kept(api, community, member, change):
    period = {
        "community": "cats",
        "covered_from": "2026-01-01T00:00:00+08:00",
        "covered_to": "2026-02-01T00:00:00+08:00",
    }

    answer = api.post(BATCH, {**batch(event()), "coverage": [{**period, **change}]})

    assert answer.status_code == 400
    assert not ActivityEvent.objects.exists()
    assert not ActivityCoverage.objects.exists()


def test_coverage_of_a_community_of_another_enterprise_is_refused(api):
    stranger = CommunityFactory(code="theirs")
    period = {
        "community": stranger.code,
        "covered_from": "2026-01-01T00:00:00+08:00",
        "covered_to": "2026-02-01T00:00:00+08:00",
    }

    assert api.post(BATCH, {**batch(), "coverage": [period]}).status_code == 400
    assert not ActivityCoverage.objects.exists()


def test_purchases_come_in_batches(api, member):
    def order(number, **changes):
        usual = {"member": "m1", "order_number": number, "paid_at": "2026-03-01T12:00:00+08:00"}
        return {**usual, "paid_amount": 1990, **changes}

    url = "/api/v1/purchases/batch"
    first = api.post(url, batch(order("A"), order("B", paid_amount="x"), order("C")))
    later = api.post(f"{url}/", batch(order("A", refunded_amount=990), order("C"), order("D")))

    assert (first.status_code, later.status_code) == (207, 200)
    assert [(error["index"], error["code"]) for error in first.json()["errors"]] == [
        (1, "not_an_integer")
    ]
    assert later.json() == {
        "accepted": 1,
        "updated": 1,
        "duplicates": 1,
        "rejected": 0,
        "errors": [],
    }
    assert Purchase.objects.get(order_number="A").refunded_amount == 990


def test_a_narrow_scope_writes_orders_only_of_members_it_can_see(user, member):
    user.staff = StaffFactory(enterprise=user.enterprise)
    user.data_scope = DataScope.OWN_COMMUNITIES
    user.save()
    mine = MembershipFactory(
        community=CommunityFactory(enterprise=user.enterprise, owner=user.staff)
    ).member
    client = APIClient()
    client.force_authenticate(user)
    order = {"paid_at": "2026-03-01T12:00:00+08:00", "paid_amount": 1}

    answer = client.post(
        "/api/v1/purchases/batch",
        batch(
            {**order, "order_number": "A", "member": member.external_id},
            {**order, "order_number": "B", "member": mine.external_id},
        ),
    )

    assert [(e["index"], e["code"]) for e in answer.json()["errors"]] == [(0, "unknown_member")]


# --- Lists ----------------------------------------------------------------------------------------

LISTS = {
    "activities": lambda enterprise: ActivityEventFactory(community__enterprise=enterprise),
    "member-days": lambda enterprise: MemberDayFactory(community__enterprise=enterprise),
    "purchases": lambda enterprise: PurchaseFactory(member__enterprise=enterprise),
    "import-runs": lambda enterprise: ImportRunFactory(enterprise=enterprise),
    "churn-scores": lambda enterprise: ChurnScoreFactory(community__enterprise=enterprise),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_one_query_for_one_row_and_for_three(
    name, user, api, django_assert_num_queries
):
    for count in (1, 2, 3):
        LISTS[name](user.enterprise)
        with django_assert_num_queries(1):
            assert len(api.get(f"/api/v1/{name}/").json()["results"]) == count


@pytest.mark.parametrize("name", LISTS)
def test_pages_of_a_list_lose_and_repeat_nothing(name, user, api):
    made = {LISTS[name](user.enterprise).pk for _n in range(5)}

    seen, url = [], f"/api/v1/{name}/?page_size=2"
    while url:
        page = api.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]

    assert len(seen) == 5
    assert set(seen) == made


@pytest.mark.parametrize(
    ("name", "query", "kept"),
    [
        ("activities", "kind=like", 1),
        ("activities", "occurred_after=2026-03-02T00:00:00Z", 1),
        ("activities", "occurred_before=2026-03-02T00:00:00Z", 1),
        ("member-days", "day_from=2026-03-02", 1),
        ("member-days", "day_to=2026-03-01", 1),
        ("purchases", "source=crm", 1),
        ("purchases", "order_number=A9", 1),
        ("import-runs", "kind=members", 1),
        ("import-runs", "is_running=true", 2),
        ("churn-scores", "band=low", 1),
        ("churn-scores", "min_probability=0.5", 1),
        ("churn-scores", "scored_on=2026-03-10", 2),
    ],
)
def test_filters_keep_what_they_say(name, query, kept, user, api):
    for make in LISTS.values():
        make(user.enterprise)
    home = {"community__enterprise": user.enterprise}
    ActivityEventFactory(**home, kind="like", occurred_at=datetime(2026, 3, 5, tzinfo=UTC))
    MemberDayFactory(**home, day=date(2026, 3, 2))
    PurchaseFactory(member__enterprise=user.enterprise, source="crm", order_number="A9")
    ImportRunFactory(enterprise=user.enterprise, kind="members")
    ChurnScoreFactory(**home, probability=0.1, band="low")

    assert len(api.get(f"/api/v1/{name}/?{query}").json()["results"]) == kept


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("activities", "kind=dance"),
        ("activities", "community=0"),
        ("activities", "occurred_after=yesterday"),
        ("member-days", "day_from=2026-02-30"),
        ("churn-scores", "min_probability=2"),
        ("churn-scores", "band=red"),
        ("purchases", "ordering=paid_amount"),
    ],
)
def test_a_filter_value_that_means_nothing_is_refused(name, query, api):
    assert api.get(f"/api/v1/{name}/?{query}").status_code == 400


def test_a_score_comes_with_reasons_that_people_can_read(user, api):
    ChurnScoreFactory(community__enterprise=user.enterprise)

    (row,) = api.get("/api/v1/churn-scores/").json()["results"]

    assert row["reasons"][0]["code"] == "silence"
    assert row["reasons_in_words"] == ["已沉默 9 天，平时每 2.5 天活跃一次"]


def test_the_newest_events_are_found_without_sorting(user, db):
    from django.db import connection

    now = datetime(2026, 3, 1, tzinfo=UTC)
    community = CommunityFactory(enterprise=user.enterprise)
    member = MemberFactory(enterprise=user.enterprise)
    for month in range(4):
        ActivityEventFactory.create_batch(
            3, community=community, member=member, occurred_at=now - timedelta(days=31 * month)
        )
    page = ActivityEvent.objects.visible_to(user).order_by("-occurred_at", "-id")[:2]

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        plan = page.explain()

    assert "Sort" not in plan
    assert "Append" in plan
