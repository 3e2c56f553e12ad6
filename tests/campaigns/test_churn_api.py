import pytest
from rest_framework.test import APIClient

from campaigns.rules.status import AlertStatus
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import EnterpriseFactory, StaffFactory, UserFactory
from tests.campaigns.factories import ChurnAlertFactory
from tests.communities.factories import CommunityFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/churn-alerts/"


@pytest.fixture
def enterprise():
    return EnterpriseFactory()


@pytest.fixture
def community(enterprise):
    return CommunityFactory(enterprise=enterprise)


@pytest.fixture
def operator(enterprise):
    staff = StaffFactory(enterprise=enterprise)
    return UserFactory(enterprise=enterprise, role=Role.OPERATOR, staff=staff)


@pytest.fixture
def client(operator):
    client = APIClient()
    client.force_authenticate(operator)
    return client


def ids(response):
    assert response.status_code == 200, response.json()
    return [row["id"] for row in response.json()["results"]]


def test_the_list_puts_the_most_at_stake_first(client, community):
    cheap = ChurnAlertFactory(community=community, value_amount=100, probability=0.9)
    dear = ChurnAlertFactory(community=community, value_amount=50_000, probability=0.6)
    worthless = ChurnAlertFactory(community=community, value_amount=0, probability=0.99)

    assert ids(client.get(URL)) == [dear.pk, cheap.pk, worthless.pk]


def test_pages_follow_one_another_without_loss_in_every_order(client, community):
    for number in range(7):
        ChurnAlertFactory(
            community=community, value_amount=100 * (number % 3), probability=0.5 + number % 2 / 10
        )
    for ordering in ("-stake", "stake", "probability", "-opened_on", "id"):
        found, url = [], f"{URL}?page_size=2&ordering={ordering}"
        while url:
            response = client.get(url)
            found += ids(response)
            url = response.json()["next"]

        assert len(found) == len(set(found)) == 7, ordering


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_takes_one_query_whatever_its_length(
    client, community, count, django_assert_num_queries
):
    ChurnAlertFactory.create_batch(
        count, community=community, assignee=StaffFactory(enterprise=community.enterprise)
    )

    with django_assert_num_queries(1):
        response = client.get(URL)

    assert len(ids(response)) == count


def test_the_list_shows_who_what_and_what_can_be_done(client, community):
    alert = ChurnAlertFactory(community=community, value_amount=12_345)

    row = client.get(URL).json()["results"][0]

    assert row["member_nickname"] == alert.member.nickname
    assert row["community_name"] == community.name
    assert row["value_amount"] == 12_345
    assert row["available_actions"] == ["acknowledge", "intervene", "dismiss"]


def test_a_reader_is_offered_no_action(enterprise, community):
    ChurnAlertFactory(community=community)
    client = APIClient()
    client.force_authenticate(UserFactory(enterprise=enterprise, role=Role.READ_ONLY))

    assert client.get(URL).json()["results"][0]["available_actions"] == []


def test_filters_narrow_the_list(client, community, operator):
    mine = ChurnAlertFactory(community=community, assignee=operator.staff, probability=0.9)
    closed = ChurnAlertFactory(
        community=community, status=AlertStatus.DISMISSED, closed_at="2026-03-12T00:00:00Z"
    )
    elsewhere = ChurnAlertFactory(community=CommunityFactory(enterprise=community.enterprise))

    assert set(ids(client.get(f"{URL}?mine=true"))) == {mine.pk}
    assert set(ids(client.get(f"{URL}?mine=false"))) == {closed.pk, elsewhere.pk}
    assert set(ids(client.get(f"{URL}?is_open=true"))) == {mine.pk, elsewhere.pk}
    assert set(ids(client.get(f"{URL}?status=dismissed"))) == {closed.pk}
    assert set(ids(client.get(f"{URL}?community={elsewhere.community_id}"))) == {elsewhere.pk}
    assert set(ids(client.get(f"{URL}?min_probability=0.85"))) == {mine.pk}


def test_nobodys_alerts_are_not_mine_for_somebody_without_customers(enterprise, community):
    ChurnAlertFactory(community=community, assignee=None)
    client = APIClient()
    client.force_authenticate(UserFactory(enterprise=enterprise, role=Role.OPERATOR))

    assert ids(client.get(f"{URL}?mine=true")) == []


@pytest.mark.parametrize("query", ["status=lost", "min_probability=2", "statuss=open"])
def test_a_filter_nobody_knows_is_refused(client, query):
    assert client.get(f"{URL}?{query}").status_code == 400


@pytest.mark.parametrize(
    ("verb", "status"), [("acknowledge", "acknowledged"), ("intervene", "intervening")]
)
def test_a_verb_answers_with_the_moved_alert(client, community, verb, status):
    alert = ChurnAlertFactory(community=community)

    response = client.post(f"{URL}{alert.pk}/{verb}/")

    assert response.status_code == 200
    assert response.json()["status"] == status


def test_dismissing_needs_a_reason(client, community):
    alert = ChurnAlertFactory(community=community)

    assert client.post(f"{URL}{alert.pk}/dismiss/").status_code == 400
    response = client.post(f"{URL}{alert.pk}/dismiss/", {"reason": "已线下联系"})

    assert response.json()["status"] == "dismissed"
    assert response.json()["note"] == "已线下联系"


def test_a_closed_alert_is_refused_with_a_stable_code(client, community):
    alert = ChurnAlertFactory(community=community, status=AlertStatus.CHURNED)

    response = client.post(f"{URL}{alert.pk}/acknowledge/")

    assert (response.status_code, response.json()["code"]) == (409, "cannot_move_alert")
