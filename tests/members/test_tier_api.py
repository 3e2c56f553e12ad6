"""Members' tiers over the API."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from rest_framework.test import APIClient

from members.models import TierAssignment, TieringRun
from members.rules.standing import TierCause
from members.services.tiering_members import retier_member
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory, TierFactory, TierSchemeFactory
from tests.members.factories import MemberFactory, PurchaseFactory, TierAssignmentFactory

pytestmark = pytest.mark.django_db

ASSIGNMENTS = "/api/v1/tier-assignments/"
NOW = datetime(2026, 3, 20, 4, tzinfo=UTC)
TWO = {"metric": "purchase_count", "op": "gte", "value": 2}


@pytest.fixture(autouse=True)
def _today():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def api(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def scheme(user):
    scheme = TierSchemeFactory(enterprise=user.enterprise, code="loyalty")
    TierFactory(scheme=scheme, rank=1, name="普通")
    TierFactory(scheme=scheme, rank=2, name="金卡", criterion=TWO)
    return scheme


@pytest.fixture
def member(user):
    return MemberFactory(enterprise=user.enterprise)


def buy(member, count):
    return [PurchaseFactory(member=member, paid_at=NOW) for _ in range(count)]


def ids(answer):
    assert answer.status_code == 200, answer.json()
    return {row["id"] for row in answer.json()["results"]}


def test_looking_at_one_member_answers_the_tiers_of_now(api, scheme, member):
    buy(member, 2)

    answer = api.post(f"/api/v1/members/{member.pk}/retier/")

    assert answer.status_code == 200
    (row,) = answer.json()
    assert (row["tier_name"], row["tier_rank"], row["cause"]) == ("金卡", 2, "entered")
    assert [clause["text"] for clause in row["clauses"]] == ["购买次数 ≥ 2：实际 2"]
    assert api.post(f"/api/v1/members/{member.pk}/retier/").json() == [row]


def test_a_period_says_why_it_ended(api, scheme, member):
    orders = buy(member, 2)
    retier_member(member.pk)
    for order in orders:
        order.delete()
    retier_member(member.pk)
    with time_machine.travel(NOW + timedelta(days=14), tick=False):
        retier_member(member.pk)

    lost = TierAssignment.objects.exclude(ended_at=None).get()
    row = api.get(f"{ASSIGNMENTS}{lost.pk}/").json()

    assert (row["end_cause"], row["ended_at"]) == ("demoted", "2026-04-03T12:00:00+08:00")
    assert [clause["text"] for clause in row["end_clauses"]] == ["购买次数 ≥ 2：实际 0，还差 2"]


def test_the_history_is_filtered(api, user, scheme, member):
    low, high = scheme.tiers.order_by("rank")
    former = TierAssignmentFactory(
        member=member, tier=low, started_at=NOW - timedelta(days=9), ended_at=NOW
    )
    now = TierAssignmentFactory(
        member=member, tier=high, cause=TierCause.PROMOTED, below_since=NOW, started_at=NOW
    )
    locked = TierAssignmentFactory(
        member__enterprise=user.enterprise, tier=low, locked=True, started_at=NOW
    )
    elsewhere = TierAssignmentFactory(tier__scheme__enterprise=user.enterprise, started_at=NOW)
    TierAssignmentFactory()  # another enterprise's

    def found(**query):
        return ids(api.get(ASSIGNMENTS, query))

    assert found() == {former.pk, now.pk, locked.pk, elsewhere.pk}
    assert found(member=member.pk) == {former.pk, now.pk}
    assert found(scheme=scheme.pk) == {former.pk, now.pk, locked.pk}
    assert found(tier=low.pk) == {former.pk, locked.pk}
    assert found(current=True) == {now.pk, locked.pk, elsewhere.pk}
    assert found(current=False) == {former.pk}
    assert found(below=True) == {now.pk}
    assert found(cause="promoted") == {now.pk}
    assert found(is_locked=True) == {locked.pk}
    assert found(started_before=NOW.isoformat()) == {former.pk}
    assert api.get(ASSIGNMENTS, {"cause": "luck"}).status_code == 400


def test_a_list_takes_as_many_queries_for_three_rows_as_for_one(
    api, user, django_assert_num_queries
):
    community = CommunityFactory(enterprise=user.enterprise, code="cats", name="猫友")
    inside = {"metric": "in_community", "op": "is_not", "value": community.code}
    tier = TierFactory(scheme__enterprise=user.enterprise, criterion=inside)
    for count in (1, 2, 3):
        member = MemberFactory(enterprise=user.enterprise)
        retier_member(member.pk)
        with django_assert_num_queries(2):
            rows = api.get(ASSIGNMENTS).json()["results"]

        assert len(rows) == count
    assert {row["clauses"][0]["text"] for row in rows} == {"不在社群 猫友 中：实际不在"}
    assert {row["tier"] for row in rows} == {tier.pk}


def test_a_tier_is_locked_and_unlocked(api, scheme, member):
    gold = scheme.tiers.get(rank=2)
    body = {"member": member.pk, "tier": gold.pk, "reason": "创始会员"}

    answer = api.post(f"{ASSIGNMENTS}lock/", body)
    row = answer.json()
    again = api.post(f"{ASSIGNMENTS}lock/", body)
    freed = api.post(f"{ASSIGNMENTS}{row['id']}/unlock/")
    twice = api.post(f"{ASSIGNMENTS}{row['id']}/unlock/")

    assert (answer.status_code, row["is_locked"], row["cause"]) == (201, True, "locked")
    assert (again.status_code, again.json()["code"]) == (409, "tier_is_locked")
    assert freed.status_code == 200
    assert (freed.json()["tier_name"], freed.json()["cause"]) == ("金卡", "unlocked")
    assert freed.json()["below_since"] is not None
    assert (twice.status_code, twice.json()["code"]) == (409, "tier_is_not_locked")


def test_a_lock_without_a_reason_or_on_a_stranger_is_refused(api, scheme, member):
    gold = scheme.tiers.get(rank=2)
    body = {"member": member.pk, "tier": gold.pk, "reason": "x"}

    for wrong in ({"reason": " "}, {"tier": TierFactory().pk}, {"member": MemberFactory().pk}):
        assert api.post(f"{ASSIGNMENTS}lock/", body | wrong).status_code == 400
    assert not TierAssignment.objects.exists()


def test_the_distribution_and_the_last_run_of_a_scheme(api, scheme, member):
    url = f"/api/v1/tier-schemes/{scheme.pk}/"
    buy(member, 2)
    retier_member(member.pk)

    before = api.get(f"{url}distribution/").json()
    begun = api.post(f"{url}retier/")

    assert before == {
        "tiers": [
            {
                "tier": tier.pk,
                "name": tier.name,
                "rank": tier.rank,
                "member_count": tier.rank - 1,
                "below_count": 0,
            }
            for tier in scheme.tiers.order_by("-rank")
        ],
        "promoted": 0,
        "demoted": 0,
        "last_run": None,
    }
    assert begun.status_code == 202
    assert begun.json()["last_run"]["finished_at"] is None
    assert TieringRun.objects.get().scheme == scheme


def test_a_scheme_has_a_code_and_keeps_it(api, user):
    made = api.post("/api/v1/tier-schemes/", {"name": "会员", "code": "loyalty"})
    taken = api.post("/api/v1/tier-schemes/", {"name": "另一个", "code": "loyalty"})
    renamed = api.patch(f"/api/v1/tier-schemes/{made.json()['id']}/", {"code": "x", "name": "新"})

    assert (made.status_code, made.json()["code"]) == (201, "loyalty")
    assert (taken.status_code, taken.json()["code"]) == (409, "code_taken")
    assert renamed.status_code == 400


def test_a_tier_below_its_neighbour_names_the_criterion(api, scheme):
    low = {"scheme": scheme.pk, "rank": 3, "name": "钻石", "criterion": {**TWO, "value": 1}}

    answer = api.post("/api/v1/tiers/", low)

    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["attr"], error["code"]) == ("criterion", "tier_below_its_neighbour")


def test_a_tier_that_somebody_held_is_not_deleted(api, scheme, member):
    gold = scheme.tiers.get(rank=2)
    TierAssignmentFactory(member=member, tier=gold, started_at=NOW, ended_at=NOW)

    refused = api.delete(f"/api/v1/tiers/{gold.pk}/")
    unused = TierFactory(scheme=scheme, rank=3, criterion={**TWO, "value": 9})

    assert (refused.status_code, refused.json()["code"]) == (409, "tier_in_use")
    assert "金卡" in refused.json()["detail"]
    assert api.delete(f"/api/v1/tiers/{unused.pk}/").status_code == 204
