import pytest
from rest_framework.test import APIClient

from communities.models import Community, EntryPolicy
from communities.rules.kinds import EntryMode
from communities.rules.status import CommunityStatus
from scrm.accounts.rules.roles import DataScope, Role
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import (
    ClassificationValueFactory,
    CommunityFactory,
    EntryPolicyFactory,
    GroupChatFactory,
    TierFactory,
)

pytestmark = pytest.mark.django_db

URL = "/api/v1/communities/"


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def api(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


def full_community(user):
    """One with everything a list could look up for it."""
    enterprise = user.enterprise
    value = ClassificationValueFactory(axis__enterprise=enterprise)
    community = CommunityFactory(
        enterprise=enterprise,
        parent=CommunityFactory(enterprise=enterprise, status=CommunityStatus.ARCHIVED),
        minimum_tier=TierFactory(scheme__enterprise=enterprise),
        adviser=StaffFactory(enterprise=enterprise),
        values=[value],
    )
    GroupChatFactory(community=community, member_count=3)
    return community


LISTS = {
    "communities": full_community,
    "entry-policies": lambda user: EntryPolicyFactory(community__enterprise=user.enterprise),
    "group-chats": lambda user: GroupChatFactory(
        community__enterprise=user.enterprise, owner=StaffFactory(enterprise=user.enterprise)
    ),
    "classification-axes": lambda user: (
        ClassificationValueFactory(axis__enterprise=user.enterprise).axis
    ),
    "classification-values": lambda user: ClassificationValueFactory(
        axis__enterprise=user.enterprise
    ),
    "tier-schemes": lambda user: TierFactory(scheme__enterprise=user.enterprise).scheme,
    "tiers": lambda user: TierFactory(scheme__enterprise=user.enterprise),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_as_many_queries_for_three_rows_as_for_one(
    name, user, api, django_assert_num_queries, django_assert_max_num_queries
):
    LISTS[name](user)
    with django_assert_max_num_queries(5) as first:
        assert len(api.get(f"/api/v1/{name}/").json()["results"]) >= 1
    for _ in range(2):
        LISTS[name](user)

    with django_assert_num_queries(len(first)):
        assert len(api.get(f"/api/v1/{name}/").json()["results"]) >= 3


def test_a_community_shows_its_sizes_policy_and_what_may_be_done(user, api):
    community = full_community(user)
    GroupChatFactory(community=community, member_count=4, capacity=10)

    body = api.get(f"{URL}{community.pk}/").json()

    assert (body["member_count"], body["capacity"]) == (7, 510)
    assert body["entry_policy"]["mode"] == "open"
    assert body["entry_policy"]["criterion_text"] == "没有门槛"
    assert body["available_actions"] == [
        "edit",
        "set_entry_policy",
        "move:paused",
        "move:closing",
    ]


def test_a_reader_is_offered_no_action(user, api):
    community = full_community(user)
    user.role = Role.READ_ONLY

    assert api.get(f"{URL}{community.pk}/").json()["available_actions"] == []


def test_a_community_is_made_edited_gated_and_opened(user, api):
    owner = StaffFactory(enterprise=user.enterprise)
    made = api.post(URL, {"code": "cats", "name": "猫友", "owner": owner.pk})
    assert made.status_code == 201, made.json()
    url = f"{URL}{made.json()['id']}/"

    refused = api.post(f"{url}move/", {"target": "recruiting"})
    assert (refused.status_code, refused.json()["code"]) == (409, "community_not_ready")
    assert refused.json()["details"]["missing"] == [
        "audience_statement",
        "entry_policy",
        "purpose_statement",
    ]

    statements = {"audience_statement": "养猫的人", "purpose_statement": "互助"}
    assert api.patch(url, statements).status_code == 200
    criterion = {"metric": "purchase_count", "op": "gte", "value": 3, "window_days": 90}
    policy = api.post(f"{url}entry-policy/", {"mode": "rule", "criterion": criterion})
    assert policy.status_code == 201
    assert policy.json()["criterion_text"] == "近 90 天购买次数 ≥ 3"
    assert policy.json()["criterion"] == criterion

    opened = api.post(f"{url}move/", {"target": "recruiting"})
    assert (opened.status_code, opened.json()["status"]) == (200, "recruiting")


def test_every_mistake_in_a_criterion_is_named_by_its_place(user, api):
    community = CommunityFactory(enterprise=user.enterprise)
    CommunityFactory(code="foreign")
    clause = {"metric": "purchase_count", "op": "gte", "value": 3}

    answer = api.post(
        f"{URL}{community.pk}/entry-policy/",
        {
            "mode": "rule",
            "criterion": {
                "all": [
                    {**clause, "metric": "purchases"},
                    {**clause, "op": ">="},
                    {"any": [{**clause, "value": "3"}, {**clause, "extra": 1}]},
                    {"metric": "active_days", "op": "gte", "value": 1},
                ]
            },
        },
    )

    assert answer.status_code == 400
    assert {(error["attr"], error["code"]) for error in answer.json()["errors"]} == {
        ("criterion.$.all[0].metric", "unknown_metric"),
        ("criterion.$.all[1].op", "unknown_operator"),
        ("criterion.$.all[2].any[0].value", "bad_value"),
        ("criterion.$.all[2].any[1].extra", "unknown_key"),
        ("criterion.$.all[3].window_days", "missing_window"),
    }


def test_a_criterion_naming_an_unknown_community_is_refused(user, api):
    community = CommunityFactory(enterprise=user.enterprise)
    CommunityFactory(code="foreign")
    criterion = {"metric": "in_community", "op": "is", "value": "foreign"}

    answer = api.post(
        f"{URL}{community.pk}/entry-policy/", {"mode": "rule", "criterion": criterion}
    )

    assert answer.status_code == 400
    assert [error["code"] for error in answer.json()["errors"]] == ["unknown_community"]
    assert EntryPolicy.objects.filter(community=community).count() == 1


@pytest.mark.parametrize("criterion", [None, [], 3, "x", {"all": [{}] * 60}, {"\x00": 1}])
def test_what_is_no_criterion_is_refused(user, api, criterion):
    community = CommunityFactory(enterprise=user.enterprise)

    answer = api.post(
        f"{URL}{community.pk}/entry-policy/", {"mode": "rule", "criterion": criterion}
    )

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"status": "active"}, "unknown_field"),
        ({"enterprise": 1}, "unknown_field"),
        ({"kind": "enormous"}, "invalid_choice"),
        ({"parent": 10**6}, "does_not_exist"),
        ({"code": "not a slug"}, "invalid"),
    ],
)
def test_an_edit_that_is_not_well_formed_is_refused(user, api, body, code):
    community = CommunityFactory(enterprise=user.enterprise)

    answer = api.patch(f"{URL}{community.pk}/", body)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == code


def test_children_are_found_by_their_parent(user, api):
    parent = CommunityFactory(enterprise=user.enterprise)
    child = CommunityFactory(enterprise=user.enterprise, parent=parent)

    found = api.get(URL, {"parent": parent.pk}).json()["results"]

    assert [row["id"] for row in found] == [child.pk]


def test_communities_are_filtered_by_values_of_several_axes_at_once(user, api):
    region, breed = (ClassificationValueFactory(axis__enterprise=user.enterprise) for _ in "ab")
    both = CommunityFactory(enterprise=user.enterprise, values=[region, breed])
    CommunityFactory(enterprise=user.enterprise, values=[region])

    answer = api.get(f"{URL}?classification={region.pk}&classification={breed.pk}")

    assert [row["id"] for row in answer.json()["results"]] == [both.pk]


def test_a_filter_value_outside_the_choices_is_refused(api):
    assert api.get(URL, {"status": "asleep"}).status_code == 400


def test_unassigned_chats_are_found(user, api):
    GroupChatFactory(community__enterprise=user.enterprise)
    free = GroupChatFactory(community=None, enterprise=user.enterprise)

    found = api.get("/api/v1/group-chats/", {"unassigned": "true"}).json()["results"]

    assert [row["id"] for row in found] == [free.pk]


@pytest.mark.parametrize("scope", [DataScope.OWN_COMMUNITIES, DataScope.DEPARTMENT_TREE])
def test_a_narrow_scope_shows_only_the_own_communities_and_their_parts(user, api, scope):
    user.staff = StaffFactory(enterprise=user.enterprise)
    user.data_scope = scope
    mine = CommunityFactory(enterprise=user.enterprise, owner=user.staff)
    other = CommunityFactory(enterprise=user.enterprise)
    chats = [GroupChatFactory(community=community) for community in (mine, other)]

    assert [row["id"] for row in api.get(URL).json()["results"]] == [mine.pk]
    found = api.get("/api/v1/group-chats/").json()["results"]
    assert [row["id"] for row in found] == [chats[0].pk]
    policies = api.get("/api/v1/entry-policies/").json()["results"]
    assert [row["community"] for row in policies] == [mine.pk]
    assert api.get(f"{URL}{other.pk}/").status_code == 404


def test_a_tier_without_keep_factor_in_range_is_refused(user, api):
    tier = TierFactory(scheme__enterprise=user.enterprise)

    for factor in ["0", "1.01", "NaN"]:
        answer = api.patch(f"/api/v1/tiers/{tier.pk}/", {"keep_factor": factor})
        assert answer.status_code == 400


def test_a_rule_without_a_criterion_is_an_error_of_that_field(user, api):
    community = CommunityFactory(enterprise=user.enterprise)

    answer = api.post(f"{URL}{community.pk}/entry-policy/", {"mode": EntryMode.RULE})

    assert answer.status_code == 400
    errors = [(error["attr"], error["code"]) for error in answer.json()["errors"]]
    assert errors == [("criterion", "policy_needs_criterion")]


def test_moving_twice_is_a_conflict(user, api):
    community = CommunityFactory(enterprise=user.enterprise)
    url = f"{URL}{community.pk}/move/"

    assert api.post(url, {"target": "paused"}).status_code == 200
    again = api.post(url, {"target": "paused"})

    assert (again.status_code, again.json()["code"]) == (409, "cannot_move")
    assert Community.objects.get().status == CommunityStatus.PAUSED
