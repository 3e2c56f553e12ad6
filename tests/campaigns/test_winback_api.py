import pytest
from rest_framework.test import APIClient

from campaigns.models import ChurnAlert, WinbackAction
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import StaffFactory, UserFactory
from tests.campaigns.factories import ChurnAlertFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import MembershipFactory
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db

ACTIONS = "/api/v1/winback-actions/"
POLICIES = "/api/v1/winback-policies/"
ALERTS = "/api/v1/churn-alerts/"


@pytest.fixture
def community():
    return CommunityFactory()


@pytest.fixture
def sign_in(community):
    def as_role(role):
        client = APIClient()
        staff = StaffFactory(enterprise=community.enterprise)
        user = UserFactory(enterprise=community.enterprise, role=role, staff=staff)
        client.force_authenticate(user)
        return client

    return as_role


@pytest.fixture
def client(sign_in):
    return sign_in(Role.OPERATOR)


def alert_of(community, **fields):
    member = MembershipFactory(community=community).member
    return ChurnAlertFactory(community=community, member=member, **fields)


def test_many_are_planned_at_once_and_each_refusal_is_told(client, community):
    fine, held = alert_of(community), alert_of(community, is_held_out=True)
    stranger = ChurnAlertFactory()

    response = client.post(
        f"{ACTIONS}tasks/", {"alerts": [fine.pk, held.pk, stranger.pk]}, format="json"
    )

    assert response.status_code == 201
    body = response.json()
    assert [row["alert"] for row in body["actions"]] == [fine.pk]
    assert {one["alert"]: one["code"] for one in body["refused"]} == {
        held.pk: "alert_held_out",
        stranger.pk: "not_found",
    }
    again = client.post(f"{ACTIONS}tasks/", {"alerts": [fine.pk]}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_win_back")


def test_a_message_answers_with_its_draft(client, community):
    account = ChannelAccountFactory(enterprise=community.enterprise)
    alert = alert_of(community)
    body = {
        "alerts": [alert.pk],
        "name": "好久不见",
        "body": "{{昵称}}，回来看看",
        "channel_account": account.pk,
    }

    response = client.post(f"{ACTIONS}message/", body, format="json")

    assert response.status_code == 201
    assert response.json()["broadcast"] == WinbackAction.objects.get().broadcast_id
    assert response.json()["actions"][0]["kind"] == "message"


@pytest.mark.parametrize(("verb", "status"), [("complete", "done"), ("cancel", "cancelled")])
def test_a_benefit_is_ended_by_hand(client, community, verb, status):
    alert = alert_of(community)
    body = {"alerts": [alert.pk], "benefit": "券", "cost_amount": 500}
    planned = client.post(f"{ACTIONS}benefits/", body, format="json").json()
    url = f"{ACTIONS}{planned['actions'][0]['id']}/{verb}/"

    assert client.post(url, {"note": "好"}, format="json").json()["status"] == status
    again = client.post(url, {}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "cannot_move_winback")
    assert client.get(f"{ACTIONS}?status={status}&alert={alert.pk}").json()["results"]


def test_who_only_looks_plans_nothing(sign_in, community):
    reader = sign_in(Role.READ_ONLY)

    response = reader.post(f"{ACTIONS}tasks/", {"alerts": [1]}, format="json")

    assert response.status_code == 403
    assert reader.get(ACTIONS).status_code == 200


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_takes_one_query_whatever_its_length(
    client, community, count, django_assert_num_queries
):
    for _ in range(count):
        WinbackAction.objects.create(
            enterprise=community.enterprise, alert=alert_of(community), kind="task"
        )

    with django_assert_num_queries(1):
        response = client.get(ACTIONS)

    assert len(response.json()["results"]) == count


def test_a_held_out_alert_is_not_listed_and_a_verb_says_why(client, community):
    held = alert_of(community, is_held_out=True)

    assert client.get(ALERTS).json()["results"] == []
    assert client.get(f"{ALERTS}{held.pk}/").status_code == 404
    refused = client.post(f"{ALERTS}{held.pk}/acknowledge/")
    assert (refused.status_code, refused.json()["code"]) == (409, "alert_held_out")

    ChurnAlert.objects.update(outcome="saved", status="recovered")
    row = client.get(f"{ALERTS}?outcome=saved").json()["results"][0]
    assert (row["is_held_out"], row["available_actions"]) == (True, [])


def test_what_is_at_stake_and_why_it_was_raised_stand_on_an_alert(client, community):
    alert_of(community, value_amount=10_000, probability=0.3, cause="top_value", value_basis="clv")

    row = client.get(f"{ALERTS}?cause=top_value").json()["results"][0]

    assert (row["stake_amount"], row["value_basis"], row["cause"]) == (3000, "clv", "top_value")


def test_the_rule_in_force_is_that_of_the_community_or_the_default(sign_in, community):
    client = sign_in(Role.ADMINISTRATOR)
    asked = f"{POLICIES}in-force/?community={community.pk}"

    assert client.get(asked).json()["threshold_percent"] == 50
    made = client.post(
        POLICIES, {"community": community.pk, "threshold_percent": 70}, format="json"
    )
    assert made.status_code == 201
    assert client.get(asked).json()["threshold_percent"] == 70
    assert client.get(f"{POLICIES}in-force/").json()["id"] is None
    row = f"{POLICIES}{made.json()['id']}/"
    assert client.patch(row, {"holdout_percent": 11}, format="json").status_code == 400
    assert client.patch(row, {"holdout_percent": 10}, format="json").json()["holdout_percent"] == 10
    assert client.delete(row).status_code == 204
    stranger = CommunityFactory()
    assert client.get(f"{POLICIES}in-force/?community={stranger.pk}").status_code == 404


def test_the_quality_is_answered_for_what_one_may_see(client, community):
    alert_of(community, outcome="lost", status="churned")
    alert_of(CommunityFactory(), outcome="lost", status="churned")

    body = client.get("/api/v1/churn-quality/?months=36").json()

    assert body["alerts"]["raised"] == 1
    assert body["alerts"]["is_few"] is True
    assert body["causes"]["threshold"]["lost"] == 1
    assert (body["checked"], body["few_below"]) == (None, 30)
    assert body["effect"]["difference"] is None
    for wrong in ("months=0", "community=x", "monthss=3"):
        assert client.get(f"/api/v1/churn-quality/?{wrong}").status_code == 400
