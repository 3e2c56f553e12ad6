import pytest
from rest_framework.test import APIClient

from communities.rules.kinds import EntryMode
from members.models import EntryApplication, Member, MemberIdentity
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import DataScope
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import CommunityFactory, EntryPolicyFactory, GroupChatFactory
from tests.members.factories import (
    EntryApplicationFactory,
    MemberFactory,
    MembershipFactory,
    PurchaseFactory,
    StayFactory,
)

pytestmark = pytest.mark.django_db

APPLICATIONS = "/api/v1/entry-applications/"
MEMBERS = "/api/v1/members/"


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def api(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


LISTS = {
    "members": lambda enterprise: MemberFactory(enterprise=enterprise, phone="13800138000"),
    "entry-applications": lambda enterprise: EntryApplicationFactory(
        community__enterprise=enterprise
    ),
    "memberships": lambda enterprise: MembershipFactory(community__enterprise=enterprise),
    "stays": lambda enterprise: StayFactory(membership__community__enterprise=enterprise),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_one_query_for_one_row_and_for_three(
    name, user, api, django_assert_num_queries
):
    for count in (1, 2, 3):
        LISTS[name](user.enterprise)
        with django_assert_num_queries(1):
            assert len(api.get(f"/api/v1/{name}/").json()["results"]) == count


def test_a_member_is_put_on_file_with_the_phone_hidden(user, api):
    answer = api.post(
        MEMBERS, {"external_id": "c1", "nickname": "小白", "phone": "+86 138-0013-8000"}
    )

    assert answer.status_code == 201
    assert answer.json()["phone"] == "138****8000"
    member = Member.objects.get()
    assert member.phone == "13800138000"
    assert "13800138000" not in str(list(AuditEvent.objects.values_list("after", flat=True)))
    found = api.get(MEMBERS, {"phone": "138 0013 8000"}).json()["results"]
    assert [row["id"] for row in found] == [member.pk]
    assert api.get(MEMBERS, {"phone": "13900139000"}).json()["results"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"external_id": "taken"}, "external_id_taken"),
        ({"phone": "13800138000"}, "phone_taken"),
    ],
)
def test_a_member_who_cannot_be_put_on_file_is_refused_and_leaves_nothing(user, api, body, code):
    api.post(MEMBERS, {"external_id": "taken", "nickname": "x", "phone": "13800138000"})

    answer = api.post(MEMBERS, {"external_id": "c1", "nickname": "小白", **body})

    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert Member.objects.count() == MemberIdentity.objects.count() == 1


@pytest.mark.parametrize("phone", ["call me", "١٣٨٠٠١٣٨٠٠٠"])
def test_what_is_no_phone_number_is_an_error_of_that_field(user, api, phone):
    answer = api.post(MEMBERS, {"external_id": "c1", "nickname": "小白", "phone": phone})

    assert answer.status_code == 400
    assert [(e["attr"], e["code"]) for e in answer.json()["errors"]] == [("phone", "not_a_phone")]
    assert not Member.objects.exists()


def test_the_same_phone_in_another_enterprise_is_another_person(user, api):
    stranger = APIClient()
    stranger.force_authenticate(UserFactory())
    body = {"external_id": "c1", "nickname": "小白", "phone": "13800138000"}

    assert api.post(MEMBERS, body).status_code == 201
    assert stranger.post(MEMBERS, body).status_code == 201
    digests = set(MemberIdentity.objects.values_list("digest", flat=True))
    assert len(digests) == 2


def test_a_phone_is_changed_and_removed(user, api):
    member_id = api.post(
        MEMBERS, {"external_id": "c1", "nickname": "小白", "phone": "13800138000"}
    ).json()["id"]
    url = f"{MEMBERS}{member_id}/"

    assert api.patch(url, {"phone": "13900139000"}).json()["phone"] == "139****9000"
    assert api.patch(url, {"phone": ""}).json()["phone"] == ""
    assert not MemberIdentity.objects.exists()
    assert api.patch(url, {"external_id": "c2"}).status_code == 400


def gated(enterprise, criterion, mode=EntryMode.RULE):
    community = CommunityFactory(enterprise=enterprise, policy=None)
    EntryPolicyFactory(community=community, mode=mode, criterion=criterion)
    GroupChatFactory(community=community)
    return community


THREE_ORDERS = {"metric": "purchase_count", "op": "gte", "value": 3}


def test_an_application_is_decided_and_explained_in_the_answer(user, api):
    community = gated(user.enterprise, THREE_ORDERS)
    member = MemberFactory(enterprise=user.enterprise)
    PurchaseFactory.create_batch(2, member=member)
    body = {"member": member.pk, "community": community.pk}

    refused = api.post(APPLICATIONS, body)

    assert refused.status_code == 201
    assert refused.json()["status"] == "rejected"
    clause = refused.json()["clauses"][0]
    assert (clause["required"], clause["actual"], clause["missing"]) == (3, 2, 1)
    assert clause["text"] == "购买次数 ≥ 3：实际 2，还差 1"
    assert refused.json()["available_actions"] == []

    PurchaseFactory(member=member)
    joined = api.post(APPLICATIONS, body)
    assert joined.json()["status"] == "joined"
    assert joined.json()["membership"] is not None
    twice = api.post(APPLICATIONS, body)
    assert (twice.status_code, twice.json()["code"]) == (409, "already_member")


def test_an_application_of_somebody_unknown_is_refused(user, api):
    community = gated(user.enterprise, THREE_ORDERS)

    for member in (10**9, MemberFactory().pk):
        answer = api.post(APPLICATIONS, {"member": member, "community": community.pk})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["attr"] == "member"


def test_applications_are_filtered(user, api):
    waiting = EntryApplicationFactory(community__enterprise=user.enterprise)
    over = EntryApplicationFactory(community__enterprise=user.enterprise, status="withdrawn")

    def found(**query):
        return [row["id"] for row in api.get(APPLICATIONS, query).json()["results"]]

    assert found(is_open="true") == found(status="in_review") == [waiting.pk]
    assert found(is_open="false") == found(member=over.member_id) == [over.pk]
    assert api.get(APPLICATIONS, {"status": "lost"}).status_code == 400


def test_a_membership_is_left_once(user, api):
    membership = MembershipFactory(community__enterprise=user.enterprise)
    url = f"/api/v1/memberships/{membership.pk}/leave/"

    assert api.post(url, {"reason": "self"}).json()["leave_reason"] == "self"
    again = api.post(url, {"reason": "self"})

    assert (again.status_code, again.json()["code"]) == (409, "already_left")
    assert api.post(url, {"reason": "bored"}).status_code == 400


def test_members_now_in_a_community_are_found(user, api):
    inside = MembershipFactory(community__enterprise=user.enterprise)
    MembershipFactory(community=inside.community, gone=True)

    found = api.get(MEMBERS, {"community": inside.community_id}).json()["results"]

    assert [row["id"] for row in found] == [inside.member_id]


def test_a_narrow_scope_shows_only_those_who_are_or_were_in_the_own_communities(user, api):
    user.staff = StaffFactory(enterprise=user.enterprise)
    user.data_scope = DataScope.OWN_COMMUNITIES
    mine = CommunityFactory(enterprise=user.enterprise, owner=user.staff)
    inside = MembershipFactory(community=mine)
    former = MembershipFactory(community=mine, gone=True)
    MembershipFactory(community=mine, member=former.member)
    hidden = MembershipFactory(community__enterprise=user.enterprise)
    EntryApplicationFactory(community=hidden.community)

    found = api.get(MEMBERS).json()["results"]

    assert [row["id"] for row in found] == [former.member_id, inside.member_id]
    assert api.get(f"{MEMBERS}{hidden.member_id}/").status_code == 404
    assert api.get(APPLICATIONS).json()["results"] == []
    assert api.get(f"/api/v1/memberships/{hidden.pk}/").status_code == 404


def test_the_metrics_are_published_with_what_a_builder_needs(api):
    metrics = {metric["name"]: metric for metric in api.get("/api/v1/metrics/").json()}

    assert set(metrics) == {
        "purchase_count",
        "purchase_amount",
        "days_since_purchase",
        "post_count",
        "comment_count",
        "message_count",
        "interaction_count",
        "active_days",
        "days_since_active",
        "membership_days",
        "in_community",
        "checkin_streak",
        "tier_rank",
        "classified_as",
        "has_evidence",
        "has_tag",
        "consented",
        "churn_risk",
        "in_segment",
        "rfm_segment",
        "rfm_recency",
        "rfm_frequency",
        "rfm_monetary",
        "clv",
        "clv_band",
        "behaviour",
        "winback_of",
    }
    assert metrics["active_days"]["takes_window"] == "required"
    assert metrics["in_community"]["operators"] == ["is", "is_not"]
    assert metrics["purchase_amount"]["unit"] == "分"
    assert all(metric["definition"] and metric["version"] for metric in metrics.values())


def test_an_invitation_admits_to_a_community_by_invitation_only(user, api):
    community = gated(user.enterprise, {}, EntryMode.INVITE_ONLY)
    body = {
        "member": MemberFactory(enterprise=user.enterprise).pk,
        "community": community.pk,
    }

    assert api.post(APPLICATIONS, body).json()["status"] == "rejected"
    invited = api.post(f"{APPLICATIONS}invite/", body)

    assert (invited.status_code, invited.json()["status"]) == (201, "joined")
    assert EntryApplication.objects.get(status="joined").decided_by == user
