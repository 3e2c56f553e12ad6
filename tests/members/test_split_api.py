import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from members.models import SplitInvitation
from scrm.accounts.rules.roles import DataScope, Role
from tests.accounts.factories import UserFactory
from tests.members.split_factories import GrownCommunity
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db

PLANS = "/api/v1/split-plans/"
BRANCHES = "/api/v1/split-branches/"
INVITATIONS = "/api/v1/split-invitations/"


@pytest.fixture
def grown():
    grown = GrownCommunity(minimum_size=2)
    ChannelAccountFactory(enterprise=grown.enterprise)
    return grown


@pytest.fixture
def api(grown):
    client = APIClient()
    client.force_authenticate(grown.actor)
    return client


def body(grown, *axes, **values):
    chosen = axes or [grown.region]
    return {"community": grown.community.pk, "axes": [axis.pk for axis in chosen], **values}


def post(client, url, **values):
    return client.post(url, values, format="json")


def drafted(client, grown, *axes, **values):
    answer = post(client, PLANS, **body(grown, *axes, **values))
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_preview_counts_and_changes_nothing(api, grown):
    grown.grow(3, "east", "ragdoll")
    grown.grow(1, "north", "tabby")
    grown.grow(1)

    seen = post(api, f"{PLANS}preview/", **body(grown, grown.region, grown.breed)).json()

    assert [
        ([value["code"] for value in one["values"]], one["member_count"], one["is_viable"])
        for one in seen["combinations"]
    ] == [(["east", "ragdoll"], 3, True), (["north", "tabby"], 1, False)]
    assert (seen["member_count"], seen["unclassified_count"]) == (5, 1)
    assert (seen["remaining_count"], seen["minimum_size"]) == (2, 2)
    assert api.get(PLANS).json()["results"] == []


def test_a_split_goes_its_whole_way_through_the_api(api, grown):
    grown.grow(2, "east")
    grown.grow(1, "north")
    plan = drafted(api, grown)
    east, north = plan["branches"]
    assert (east["is_chosen"], north["is_chosen"], north["is_too_small"]) == (True, False, True)
    assert plan["available_actions"] == ["refresh", "start", "cancel"]

    refused = post(api, f"{BRANCHES}{north['id']}/choose/")
    assert (refused.status_code, refused.json()["code"]) == (409, "branch_too_small")
    chosen = post(api, f"{BRANCHES}{north['id']}/choose/", override_reason="试点").json()
    assert (chosen["is_chosen"], chosen["override_reason"]) == (True, "试点")
    assert post(api, f"{BRANCHES}{north['id']}/skip/").json()["is_chosen"] is False
    renamed = api.patch(f"{BRANCHES}{east['id']}/", {"name": "华东猫友"}, format="json")
    assert renamed.json()["name"] == "华东猫友"

    started = post(api, f"{PLANS}{plan['id']}/start/").json()
    assert (started["status"], started["available_actions"]) == (
        "running",
        ["complete", "cancel"],
    )
    assert [branch["child_name"] for branch in started["branches"]] == ["华东猫友", ""]
    assert started["branches"][0]["progress"]["planned"] == 2
    assert started["branches"][0]["available_actions"] == ["invite"]

    invited = post(api, f"{BRANCHES}{east['id']}/invite/").json()
    assert (invited["progress"]["invited"], invited["available_actions"]) == (2, [])
    first = api.get(INVITATIONS, {"plan": plan["id"]}).json()["results"][0]
    declined = post(api, f"{INVITATIONS}{first['id']}/decline/").json()
    assert (declined["status"], declined["available_actions"]) == ("declined", [])
    again = post(api, f"{INVITATIONS}{first['id']}/decline/")
    assert (again.status_code, again.json()["code"]) == (409, "invitation_is_settled")
    assert post(api, f"{PLANS}{plan['id']}/complete/").json()["status"] == "completed"


def test_lists_are_filtered(api, grown):
    grown.grow(2, "east")
    grown.grow(2, "north")
    plan = drafted(api, grown)
    post(api, f"{PLANS}{plan['id']}/start/")
    branch = plan["branches"][0]["id"]
    someone = SplitInvitation.objects.order_by("pk").first()

    def ids(url, **query):
        return [row["id"] for row in api.get(url, query).json()["results"]]

    assert ids(PLANS, status="running") == [plan["id"]]
    assert ids(PLANS, status="draft") == []
    assert ids(PLANS, community=grown.community.pk) == [plan["id"]]
    assert len(ids(BRANCHES, plan=plan["id"])) == 2
    assert len(ids(INVITATIONS, branch=branch)) == 2
    assert ids(INVITATIONS, member=someone.member_id) == [someone.pk]
    assert ids(INVITATIONS, status="joined") == []
    assert api.get(INVITATIONS, {"status": "lost"}).status_code == 400


def test_what_cannot_be_right_names_its_field(api, grown):
    foreign = GrownCommunity()
    for values, field in (
        (body(grown, foreign.region), "axes.0"),
        (body(foreign, grown.region), "community"),
        ({**body(grown), "axes": []}, "axes"),
        (body(grown, level=9), "level"),
        (body(grown, minimum_size=0), "minimum_size"),
    ):
        for url in (PLANS, f"{PLANS}preview/"):
            answer = post(api, url, **values)
            assert answer.status_code == 400
            assert answer.json()["errors"][0]["attr"].startswith(field.split(".")[0])


def test_a_stranger_sees_no_plan_branch_or_invitation(api, grown):
    grown.grow(2, "east")
    plan = drafted(api, grown)
    post(api, f"{PLANS}{plan['id']}/start/")
    invitation = SplitInvitation.objects.first()
    stranger = APIClient()
    stranger.force_authenticate(UserFactory())

    for url in (PLANS, BRANCHES, INVITATIONS):
        assert stranger.get(url).json()["results"] == []
    for url in (
        f"{PLANS}{plan['id']}/start/",
        f"{PLANS}{plan['id']}/cancel/",
        f"{BRANCHES}{plan['branches'][0]['id']}/invite/",
        f"{INVITATIONS}{invitation.pk}/decline/",
    ):
        assert post(stranger, url).status_code == 404


def test_an_operator_of_other_communities_does_not_see_the_split(api, grown):
    grown.grow(2, "east")
    plan = drafted(api, grown)
    narrow = APIClient()
    narrow.force_authenticate(
        UserFactory(
            enterprise=grown.enterprise,
            role=Role.OPERATOR,
            data_scope=DataScope.OWN_COMMUNITIES,
        )
    )

    assert narrow.get(f"{PLANS}{plan['id']}/").status_code == 404
    assert post(narrow, f"{PLANS}preview/", **body(grown)).status_code == 400


def test_who_only_looks_splits_nothing(api, grown):
    grown.grow(2, "east")
    plan = drafted(api, grown)
    looker = APIClient()
    looker.force_authenticate(UserFactory(enterprise=grown.enterprise, role=Role.ANALYST))

    seen = looker.get(f"{PLANS}{plan['id']}/").json()
    assert (seen["available_actions"], seen["branches"][0]["available_actions"]) == ([], [])
    assert post(looker, f"{PLANS}{plan['id']}/start/").status_code == 403


def test_a_plan_takes_as_many_queries_for_many_branches_as_for_one(api, grown):
    def queries(url):
        with CaptureQueriesContext(connection) as captured:
            assert api.get(url).status_code == 200
        return len(captured)

    grown.grow(2, "east")
    plan = drafted(api, grown)
    url = f"{PLANS}{plan['id']}/"
    for_one = [queries(url), queries(BRANCHES), queries(PLANS)]
    grown.grow(2, "north")
    post(api, f"{PLANS}{plan['id']}/refresh/")
    assert len(api.get(url).json()["branches"]) == 2
    assert [queries(url), queries(BRANCHES), queries(PLANS)] == for_one
