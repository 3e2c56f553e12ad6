from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from members.models import MemberClassification
from scrm.accounts.rules.roles import DataScope
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import (
    ClassificationAxisFactory,
    ClassificationRuleFactory,
    ClassificationValueFactory,
    CommunityFactory,
)
from tests.members.factories import MemberFactory, MembershipFactory
from tests.members.standing_factories import (
    ConsentFactory,
    MemberClassificationFactory,
    MemberTagFactory,
    TagFactory,
)

pytestmark = pytest.mark.django_db

BOUGHT = {"metric": "purchase_count", "op": "gte", "value": 1}


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def api(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def values(user):
    """region: east → shanghai, south; breed: corgi, poodle"""
    made = {}
    for axis_code, tree in (
        ("region", {"east": None, "shanghai": "east", "south": None}),
        ("breed", {"corgi": None, "poodle": None}),
    ):
        axis = ClassificationAxisFactory(enterprise=user.enterprise, code=axis_code)
        for code, parent in tree.items():
            made[code] = ClassificationValueFactory(
                axis=axis, code=code, name=code, parent=made.get(parent)
            )
    return made


@pytest.fixture
def member(user, values):
    def member(*codes, **fields):
        member = MemberFactory(enterprise=user.enterprise, **fields)
        for code in codes:
            MemberClassificationFactory(member=member, value=values[code])
        return member

    return member


def ids(response):
    assert response.status_code == 200, response.json()
    return {row["id"] for row in response.json()["results"]}


def fault(response):
    assert response.status_code == 400, response.json()
    (error,) = response.json()["errors"]
    return error["attr"], error["code"]


LISTS = {
    "member-classifications": lambda enterprise: MemberClassificationFactory(
        value__axis__enterprise=enterprise
    ),
    "tags": lambda enterprise: TagFactory(enterprise=enterprise),
    "consents": lambda enterprise: ConsentFactory(member__enterprise=enterprise),
    "classification-rules": lambda enterprise: ClassificationRuleFactory(
        value__axis__enterprise=enterprise
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_one_query_for_one_row_and_for_three(
    name, user, api, django_assert_num_queries
):
    for count in (1, 2, 3):
        LISTS[name](user.enterprise)
        with django_assert_num_queries(1):
            assert len(api.get(f"/api/v1/{name}/").json()["results"]) == count


# --- narrowing lists ---


def test_members_are_narrowed_by_any_combination_of_values_and_what_is_below_them(api, member):
    both = member("shanghai", "corgi")
    east = member("east", "poodle")
    south = member("south", "corgi")
    member()

    def found(*asked):
        return ids(api.get("/api/v1/members/", {"classified_as": asked}))

    assert found("region:east") == {both.pk, east.pk}
    assert found("region:shanghai") == {both.pk}
    assert found("breed:corgi") == {both.pk, south.pk}
    assert found("region:east", "breed:corgi") == {both.pk}
    assert found("breed:corgi", "breed:poodle") == set()


def test_what_has_ended_or_expired_does_not_count(api, member, values):
    gone = member("corgi")
    now = timezone.now()
    MemberClassification.objects.filter(member=gone).update(ended_at=now)
    MemberClassificationFactory(
        value=values["corgi"],
        granted_at=now - timedelta(days=2),
        expires_at=now - timedelta(days=1),
    )

    assert ids(api.get("/api/v1/members/", {"classified_as": "breed:corgi"})) == set()


@pytest.mark.parametrize(
    "asked",
    ["breed", "breed:cat", "cat:corgi", "breed:corgi:x", "breed:\x00", "狗:柯基", ":"],
)
def test_a_value_that_is_not_there_is_refused(api, values, asked):
    ClassificationValueFactory(axis__code="breed", code="cat")  # of another enterprise

    for door in ("members", "communities"):
        assert api.get(f"/api/v1/{door}/", {"classified_as": asked}).status_code == 400


def test_at_most_ten_values_at_once(api):
    asked = [f"axis:v{number}" for number in range(11)]

    answer = api.get("/api/v1/members/", {"classified_as": asked})

    assert answer.json()["errors"][0]["code"] == "too_many_values"


def test_communities_are_narrowed_likewise(user, api, values):
    both = CommunityFactory(
        enterprise=user.enterprise, values=[values["shanghai"], values["corgi"]]
    )
    CommunityFactory(enterprise=user.enterprise, values=[values["corgi"]])

    asked = {"classified_as": ["region:east", "breed:corgi"]}

    assert ids(api.get("/api/v1/communities/", asked)) == {both.pk}


def test_members_are_narrowed_by_a_tag_they_wear_now(user, api):
    tag = TagFactory(enterprise=user.enterprise)
    worn = MemberTagFactory(tag=tag)
    MemberTagFactory(tag=tag, removed_at=timezone.now())

    assert ids(api.get("/api/v1/members/", {"tag": tag.pk})) == {worn.member_id}


# --- the report ---


def report(api, **asked):
    answer = api.get("/api/v1/classification-report/", asked)
    assert answer.status_code == 200, answer.json()
    body = answer.json()
    counts = {
        tuple(value and value["code"] for value in row["values"]): row["member_count"]
        for row in body["combinations"]
    }
    return counts, body


def test_the_report_counts_every_combination_and_who_is_not_classified(api, member):
    for codes in (["shanghai", "corgi"], ["shanghai", "corgi"], ["south"], ["poodle"], []):
        member(*codes)
    MemberClassificationFactory(value__code="elsewhere")

    counts, body = report(api, axes="region,breed")

    assert counts == {
        ("shanghai", "corgi"): 2,
        ("south", None): 1,
        (None, "poodle"): 1,
        (None, None): 1,
    }
    assert (body["member_count"], body["is_complete"]) == (5, True)
    assert [axis["code"] for axis in body["axes"]] == ["region", "breed"]


def test_on_an_open_axis_a_member_counts_under_each_value_and_once_in_all(api, member):
    member("corgi", "poodle")

    counts, body = report(api, axes="breed")

    assert counts == {("corgi",): 1, ("poodle",): 1}
    assert body["member_count"] == 1


def test_a_value_from_two_sources_counts_once(api, member, values):
    MemberClassificationFactory(member=member("corgi"), value=values["corgi"], source="import")

    assert report(api, axes="breed")[0] == {("corgi",): 1}


def test_a_level_rolls_values_up_to_their_ancestors(api, member):
    member("shanghai", "east")
    member("shanghai")
    member("south")

    assert report(api, axes="region")[0] == {("shanghai",): 2, ("east",): 1, ("south",): 1}
    assert report(api, axes="region", level=1)[0] == {("east",): 2, ("south",): 1}
    assert report(api, axes="region", level=2)[0] == {("shanghai",): 2, ("east",): 1, ("south",): 1}


def test_the_report_can_be_of_one_community(user, api, member):
    community = CommunityFactory(enterprise=user.enterprise, code="dogs")
    MembershipFactory(community=community, member=member("corgi"))
    MembershipFactory(community=community, member=member("corgi"), gone=True)
    member("corgi")

    counts, body = report(api, axes="breed", community="dogs")

    assert counts == {("corgi",): 1}
    assert body["member_count"] == 1


def test_the_report_counts_only_members_that_the_user_sees(member):
    mine = member("corgi")
    member("corgi")
    staff = StaffFactory(enterprise=mine.enterprise)
    MembershipFactory(community__enterprise=mine.enterprise, community__owner=staff, member=mine)
    narrow = UserFactory(
        enterprise=mine.enterprise, staff=staff, data_scope=DataScope.OWN_COMMUNITIES
    )
    api = APIClient()
    api.force_authenticate(narrow)

    counts, body = report(api, axes="breed")

    assert (counts, body["member_count"]) == ({("corgi",): 1}, 1)


def test_without_axes_the_first_one_is_reported(api, member):
    member("south")

    assert report(api)[0] == {("south",): 1}


@pytest.mark.parametrize(
    "asked",
    [
        {"axes": "region,breed,region,breed"},
        {"axes": "nowhere"},
        {"axes": "region;drop"},
        {"axes": "region,"},
        {"axes": "region", "community": "nowhere"},
        {"axes": "region", "community": "\x00"},
        {"axes": "region", "level": 0},
        {"axes": "region", "level": 6},
        {"axes": "region", "lvl": 1},
    ],
)
def test_a_report_that_makes_no_sense_is_refused(api, values, asked):
    CommunityFactory(code="nowhere")
    ClassificationAxisFactory(code="nowhere")

    assert api.get("/api/v1/classification-report/", asked).status_code == 400


def test_the_report_takes_the_same_statements_for_few_and_for_many(
    api, member, django_assert_num_queries
):
    for _ in range(3):
        member("shanghai", "corgi")
        with django_assert_num_queries(4):  # axes, values, the groups, all members
            report(api, axes="region,breed")


# --- classifying, tagging, consenting ---


def test_a_colleague_classifies_and_takes_it_back(user, api, values):
    member = MemberFactory(enterprise=user.enterprise)
    body = {"member": member.pk, "value": values["corgi"].pk}

    first = api.post("/api/v1/member-classifications/", body)
    again = api.post("/api/v1/member-classifications/", body)

    assert (first.status_code, first.json()["source"]) == (201, "operator")
    assert first.json()["granted_by"] == user.pk
    assert again.json()["id"] == first.json()["id"]
    end = f"/api/v1/member-classifications/{first.json()['id']}/end/"
    assert api.post(end).json()["ended_at"]
    assert api.post(end).json()["code"] == "already_ended"
    in_force = api.get("/api/v1/member-classifications/", {"in_force": True})
    assert ids(in_force) == set()


def test_a_past_expiry_and_a_value_from_elsewhere_are_refused(user, api, values):
    body = {"member": MemberFactory(enterprise=user.enterprise).pk, "value": values["corgi"].pk}

    past = api.post(
        "/api/v1/member-classifications/", {**body, "expires_at": "2020-01-01T00:00:00Z"}
    )
    foreign = api.post(
        "/api/v1/member-classifications/", {**body, "value": ClassificationValueFactory().pk}
    )

    assert fault(past) == ("expires_at", "expiry_is_past")
    assert foreign.status_code == 400


def test_members_are_tagged_together_or_not_at_all(user, api):
    tag = TagFactory(enterprise=user.enterprise)
    ours, others = MemberFactory(enterprise=user.enterprise), MemberFactory()

    refused = api.post(f"/api/v1/tags/{tag.pk}/add/", {"members": [ours.pk, others.pk]})
    assert refused.status_code == 400
    assert str(others.pk) in refused.json()["errors"][0]["detail"]
    assert not ours.tags.exists()

    assert api.post(f"/api/v1/tags/{tag.pk}/add/", {"members": [ours.pk]}).json() == {"changed": 1}
    assert api.post(f"/api/v1/tags/{tag.pk}/remove/", {"members": [ours.pk]}).json() == {
        "changed": 1
    }


def test_a_consent_is_recorded_and_cannot_be_changed(user, api):
    member = MemberFactory(enterprise=user.enterprise)
    body = {
        "member": member.pk,
        "purpose": "broadcast",
        "decision": "granted",
        "text_version": "2026-11",
        "source": "form",
    }

    answer = api.post("/api/v1/consents/", body)

    assert answer.status_code == 201
    url = f"/api/v1/consents/{answer.json()['id']}/"
    assert api.patch(url, {"decision": "denied"}).status_code == 405
    assert api.delete(url).status_code == 405
    withdrawn = {**body, "purpose": "profiling", "decision": "withdrawn"}
    assert api.post("/api/v1/consents/", withdrawn).json()["code"] == "nothing_to_withdraw"


def test_a_rule_is_made_over_the_api_and_refused_where_it_names_its_own_axis(api, values):
    own = {"metric": "classified_as", "op": "is", "value": "breed:poodle"}
    body = {"value": values["corgi"].pk, "criterion": BOUGHT}

    refused = api.post("/api/v1/classification-rules/", {**body, "criterion": own})
    empty = api.post("/api/v1/classification-rules/", {**body, "criterion": {}})
    made = api.post("/api/v1/classification-rules/", body)

    assert fault(refused) == ("criterion", "criterion_refers_to_itself")
    assert fault(empty) == ("criterion", "rule_needs_criterion")
    assert made.status_code == 201
    assert "购买次数" in made.json()["criterion_text"]
    again = api.post("/api/v1/classification-rules/", body)
    assert (again.status_code, again.json()["code"]) == (409, "rule_taken")
