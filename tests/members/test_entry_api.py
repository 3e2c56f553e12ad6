from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from communities.rules.kinds import EntryMode
from members.models import BlocklistEntry, EntryApplication, Membership
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.communities.factories import (
    CommunityFactory,
    GroupChatFactory,
    JoinRouteFactory,
    JoinWayFactory,
)
from tests.members.entry_factories import (
    THREE_PURCHASES,
    BlocklistEntryFactory,
    gated,
    newcomer,
    time_to_undo_passes,
)
from tests.members.factories import EntryApplicationFactory, MemberFactory

pytestmark = pytest.mark.django_db

APPLICATIONS = "/api/v1/entry-applications/"
BLOCKLIST = "/api/v1/blocklist/"


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def api(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


def waiting(user, **fields):
    community = CommunityFactory(enterprise=user.enterprise)
    return EntryApplicationFactory(
        community=community, policy=community.entry_policies.get(), **fields
    )


def test_a_reviewer_claims_approves_undoes_and_rejects(user, api):
    application = waiting(user)
    url = f"{APPLICATIONS}{application.pk}/"
    assert api.get(url).json()["available_actions"] == ["claim", "approve", "reject", "withdraw"]

    claimed = api.post(f"{APPLICATIONS}claim-next/", {}).json()
    assert (claimed["id"], claimed["claimed_by"]) == (application.pk, user.pk)
    assert claimed["available_actions"] == ["claim", "release", "approve", "reject", "withdraw"]
    assert api.post(f"{url}release/").json()["claimed_by"] is None
    assert api.post(f"{url}claim/").json()["claimed_by_name"] == user.username

    approved = api.post(f"{url}approve/").json()
    assert (approved["status"], approved["available_actions"]) == ("approved", ["undo", "withdraw"])
    undone = api.post(f"{url}undo/").json()
    assert (undone["status"], undone["settles_at"]) == ("in_review", None)

    assert api.post(f"{url}reject/", {"reason": "照片看不清"}).json()["status"] == "rejected"
    time_to_undo_passes()
    late = api.post(f"{url}undo/")
    assert (late.status_code, late.json()["code"]) == (409, "too_late_to_undo")
    again = api.post(f"{url}approve/")
    assert (again.status_code, again.json()["code"]) == (409, "cannot_decide")
    assert api.get(url).json()["available_actions"] == []


def test_what_a_colleague_reviews_is_not_offered_and_refused_with_a_name(user, api):
    application = waiting(user)
    colleague = APIClient()
    colleague.force_authenticate(UserFactory(enterprise=user.enterprise, username="su.wan"))
    url = f"{APPLICATIONS}{application.pk}/"
    colleague.post(f"{url}claim/")
    user.role = Role.REVIEWER

    assert api.get(url).json()["available_actions"] == []
    refused = api.post(f"{url}approve/")
    assert (refused.status_code, refused.json()["code"]) == (409, "claimed_by_another")
    assert "su.wan" in refused.json()["detail"]
    nothing = api.post(f"{APPLICATIONS}claim-next/", {})
    assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_to_claim")


def test_a_rejection_needs_a_reason(user, api):
    url = f"{APPLICATIONS}{waiting(user).pk}/reject/"

    assert api.post(url, {}).status_code == 400
    assert api.post(url, {"reason": " "}).status_code == 400


def test_late_applications_are_found_and_marked(user, api):
    late = waiting(user, review_due_at=timezone.now() - timedelta(hours=1))
    waiting(user, review_due_at=timezone.now() + timedelta(hours=1))

    rows = api.get(APPLICATIONS, {"overdue": "true"}).json()["results"]

    assert [(row["id"], row["is_overdue"]) for row in rows] == [(late.pk, True)]
    assert len(api.get(APPLICATIONS, {"overdue": "false"}).json()["results"]) == 1
    by_due = api.get(APPLICATIONS, {"ordering": "review_due_at"}).json()["results"]
    assert by_due[0]["id"] == late.pk


def test_an_application_comes_through_a_link(user, api):
    way = JoinWayFactory(community__enterprise=user.enterprise)
    chat = GroupChatFactory(community=way.community)
    JoinRouteFactory(join_way=way, chat=chat)
    body = {
        "member": newcomer(way.community).pk,
        "community": way.community_id,
        "join_way": way.pk,
    }

    answer = api.post(APPLICATIONS, body)

    assert (answer.status_code, answer.json()["join_way"]) == (201, way.pk)
    found = api.get(APPLICATIONS, {"join_way": way.pk}).json()["results"]
    assert [row["id"] for row in found] == [answer.json()["id"]]


def test_a_block_is_set_explained_and_lifted(user, api):
    application = waiting(user)
    body = {"member": application.member_id, "reason": "反复发广告"}

    blocked = api.post(BLOCKLIST, body)

    assert blocked.status_code == 201
    assert (blocked.json()["in_force"], blocked.json()["community"]) == (True, None)
    refused = api.get(f"{APPLICATIONS}{application.pk}/").json()
    assert (refused["status"], refused["clauses"][0]["rule"]) == ("rejected", "blocklist")
    assert refused["clauses"][0]["text"] == "在黑名单中，不能加入"
    assert api.post(BLOCKLIST, body).json()["code"] == "already_blocked"
    url = f"{BLOCKLIST}{blocked.json()['id']}/"
    assert api.post(f"{url}unblock/").json()["in_force"] is False
    assert api.post(f"{url}unblock/").json()["code"] == "already_unblocked"


def test_a_block_that_would_be_over_at_once_is_an_error_of_that_field(user, api):
    body = {
        "member": MemberFactory(enterprise=user.enterprise).pk,
        "reason": "x",
        "expires_at": "2020-01-01T00:00:00Z",
    }

    answer = api.post(BLOCKLIST, body)

    assert answer.status_code == 400
    assert [error["attr"] for error in answer.json()["errors"]] == ["expires_at"]
    assert not BlocklistEntry.objects.exists()


def test_the_blocklist_takes_one_query_and_is_filtered(user, api, django_assert_num_queries):
    home = {"member__enterprise": user.enterprise}
    active = BlocklistEntryFactory(**home)
    BlocklistEntryFactory(**home, expires_at=timezone.now() - timedelta(days=1))
    BlocklistEntryFactory(**home, lifted_at=timezone.now())
    BlocklistEntryFactory()

    with django_assert_num_queries(1):
        assert len(api.get(BLOCKLIST).json()["results"]) == 3
    found = api.get(BLOCKLIST, {"in_force": "true"}).json()["results"]
    assert [row["id"] for row in found] == [active.pk]


def test_a_join_seen_on_the_platform_is_taken_down_and_marked_when_ungated(user, api):
    community = gated(EntryMode.RULE, THREE_PURCHASES, enterprise=user.enterprise)
    chat = GroupChatFactory(community=community)
    body = {"member": newcomer(community).pk, "chat": chat.pk}

    seen = api.post("/api/v1/stays/observe/", body)

    assert (seen.status_code, seen.json()["is_ungated"]) == (201, True)
    assert api.post("/api/v1/stays/observe/", body).json()["id"] == seen.json()["id"]
    assert Membership.objects.count() == 1
    ungated = api.get("/api/v1/memberships/", {"is_ungated": "true"}).json()["results"]
    assert len(ungated) == 1
    future = api.post("/api/v1/stays/observe/", body | {"joined_at": "2999-01-01T00:00:00Z"})
    assert future.status_code == 400


def test_the_names_in_clauses_are_looked_up_once_for_the_page(user, api, django_assert_num_queries):
    CommunityFactory(enterprise=user.enterprise, code="vip", name="星球 VIP")
    clause = {
        "rule": "policy", "path": "$", "metric": "in_community", "op": "is", "required": "vip",
        "actual": None, "window_days": None, "negated": False, "passed": False, "missing": None,
    }  # fmt: skip
    for _ in range(3):
        waiting(user, clauses=[clause])

    with django_assert_num_queries(2):
        rows = api.get(APPLICATIONS).json()["results"]

    assert "星球 VIP" in rows[0]["clauses"][0]["text"]
    assert rows[0]["clauses"][0]["provisional"] is False
    assert EntryApplication.objects.count() == 3
