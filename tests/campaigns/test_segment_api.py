import pytest
from rest_framework.test import APIClient

from scrm.accounts.rules.roles import DataScope, Role
from tests.accounts.factories import StaffFactory, UserFactory
from tests.campaigns.factories import SegmentFactory
from tests.members.factories import MemberFactory, MembershipFactory, PurchaseFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/segments/"
BOUGHT = {"metric": "purchase_count", "op": "gte", "value": 1}


def client_of(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def api(user):
    return client_of(user)


def test_the_list_takes_one_query_for_one_row_and_for_three(user, api, django_assert_num_queries):
    for count in (1, 2, 3):
        SegmentFactory(enterprise=user.enterprise)
        with django_assert_num_queries(1):
            assert len(api.get(URL).json()["results"]) == count


def test_a_segment_is_made_drawn_and_listed(user, api):
    buyer = PurchaseFactory(member__enterprise=user.enterprise).member
    MemberFactory(enterprise=user.enterprise)
    made = api.post(URL, {"code": "buyers", "name": "买过的人", "criterion": BOUGHT})
    assert made.status_code == 201
    url = f"{URL}{made.json()['id']}/"
    assert made.json()["drawn_at"] is None
    assert "购买次数" in made.json()["criterion_text"]
    assert api.get(f"{url}members/").json()["results"] == []

    drawn = api.post(f"{url}draw/").json()

    assert (drawn["member_count"], drawn["draw_asked_at"]) == (1, None)
    assert drawn["drawn_at"]
    listed = api.get(f"{url}members/").json()["results"]
    assert [row["id"] for row in listed] == [buyer.pk]


def test_another_criterion_makes_the_list_void(user, api):
    PurchaseFactory(member__enterprise=user.enterprise)
    segment = SegmentFactory(enterprise=user.enterprise)
    url = f"{URL}{segment.pk}/"
    api.post(f"{url}draw/")

    changed = api.patch(url, {"criterion": {**BOUGHT, "value": 2}})

    assert changed.json()["member_count"] is None
    assert api.get(f"{url}members/").json()["results"] == []


def test_the_list_shows_only_members_that_the_user_sees(user, api):
    seen, _hidden = (PurchaseFactory(member__enterprise=user.enterprise).member for _ in range(2))
    staff = StaffFactory(enterprise=user.enterprise)
    MembershipFactory(community__enterprise=user.enterprise, community__owner=staff, member=seen)
    narrow = UserFactory(
        enterprise=user.enterprise, staff=staff, data_scope=DataScope.OWN_COMMUNITIES
    )
    segment = SegmentFactory(enterprise=user.enterprise)
    api.post(f"{URL}{segment.pk}/draw/")

    listed = client_of(narrow).get(f"{URL}{segment.pk}/members/").json()["results"]

    assert [row["id"] for row in listed] == [seen.pk]


def test_the_code_stays(user, api):
    segment = SegmentFactory(enterprise=user.enterprise)

    answer = api.patch(f"{URL}{segment.pk}/", {"code": "other"})

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "unknown_field")


def test_a_segment_that_refers_to_itself_is_refused_with_the_chain(user, api):
    segment = SegmentFactory(enterprise=user.enterprise, code="loop")
    own = {"metric": "in_segment", "op": "is", "value": "loop"}

    answer = api.patch(f"{URL}{segment.pk}/", {"criterion": own})

    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["attr"], error["code"]) == ("criterion", "criterion_refers_to_itself")
    assert "loop" in error["detail"]


def test_who_only_reads_draws_nothing(user):
    segment = SegmentFactory(enterprise=user.enterprise)
    reader = client_of(UserFactory(enterprise=user.enterprise, role=Role.READ_ONLY))

    assert reader.post(f"{URL}{segment.pk}/draw/").status_code == 403
    assert client_of(UserFactory()).post(f"{URL}{segment.pk}/draw/").status_code == 404
