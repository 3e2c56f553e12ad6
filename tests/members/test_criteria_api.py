import pytest
from django.db import connection, connections
from rest_framework.test import APIClient

from members.models import Tag
from scrm.accounts.rules.roles import DataScope, Role
from scrm.shared.criteria import METRICS
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import MemberFactory, MembershipFactory, PurchaseFactory

pytestmark = pytest.mark.django_db

CHECK = "/api/v1/criteria/check/"
ESTIMATE = "/api/v1/criteria/estimate/"
CHOICES = "/api/v1/criteria/choices/"
TWO_ORDERS = {"metric": "purchase_count", "op": "gte", "value": 2}


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def api(user):
    return client_of(user)


def client_of(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_a_check_says_what_passed_and_what_is_missing(user, api):
    member = MemberFactory(enterprise=user.enterprise)
    PurchaseFactory(member=member)
    CommunityFactory(enterprise=user.enterprise, code="vip", name="VIP 社群")
    posts = {"metric": "post_count", "op": "gte", "value": 0, "of": "vip"}

    answer = api.post(CHECK, {"criterion": {"all": [TWO_ORDERS, posts]}, "member": member.pk})

    assert answer.status_code == 200
    told = answer.json()
    assert told["passed"] is False
    assert [clause["text"] for clause in told["clauses"]] == [
        "购买次数 ≥ 2：实际 1，还差 1",
        "在“VIP 社群”发帖数 ≥ 0：实际 0",
    ]
    assert told["clauses"][0] == {
        "path": "$.all[0]",
        "metric": "purchase_count",
        "op": "gte",
        "required": 2,
        "actual": 1,
        "window_days": None,
        "of": None,
        "negated": False,
        "passed": False,
        "missing": 1,
        "provisional": False,
        "text": "购买次数 ≥ 2：实际 1，还差 1",
    }


def test_a_check_costs_the_same_however_many_clauses(user, api, django_assert_num_queries):
    member = MemberFactory(enterprise=user.enterprise)
    for count in (1, 5):
        with django_assert_num_queries(2):  # the member, and one statement for all clauses
            api.post(CHECK, {"criterion": {"any": [TWO_ORDERS] * count}, "member": member.pk})


def test_an_error_points_at_its_clause(user, api):
    member = MemberFactory(enterprise=user.enterprise)
    CommunityFactory(code="theirs")
    wrong = {
        "all": [
            TWO_ORDERS,
            {"metric": "in_community", "op": "is", "value": "theirs"},
            {"metric": "tier_rank", "op": "gte", "value": 1, "of": "nowhere"},
        ]
    }

    answer = api.post(CHECK, {"criterion": wrong, "member": member.pk})

    assert answer.status_code == 400
    assert [(error["attr"], error["code"]) for error in answer.json()["errors"]] == [
        ("criterion.$.all[1].value", "unknown_community"),
        ("criterion.$.all[2].of", "unknown_tier_scheme"),
    ]


def test_an_estimate_counts_and_gives_examples(user, api):
    buyers = MemberFactory.create_batch(12, enterprise=user.enterprise)
    MemberFactory(enterprise=user.enterprise)
    for member in buyers:
        PurchaseFactory.create_batch(2, member=member)
    PurchaseFactory.create_batch(2, member=MemberFactory())

    told = api.post(ESTIMATE, {"criterion": TWO_ORDERS}).json()

    assert (told["count"], told["total"]) == (12, 13)
    assert told["sample"] == [
        {"id": member.pk, "nickname": member.nickname} for member in buyers[:10]
    ]
    assert told["text"] == "购买次数 ≥ 2"
    assert told["cost_ms"] >= 0
    assert told["as_of"]


def test_an_estimate_may_be_of_one_community(user, api):
    inside = MembershipFactory(community__enterprise=user.enterprise)
    MembershipFactory(community=inside.community, gone=True)
    MemberFactory(enterprise=user.enterprise)

    told = api.post(ESTIMATE, {"criterion": {}, "community": inside.community_id}).json()

    assert (told["count"], told["total"]) == (1, 1)
    assert [member["id"] for member in told["sample"]] == [inside.member_id]


def test_an_estimate_sees_no_more_than_the_user_sees(user):
    staff = StaffFactory(enterprise=user.enterprise)
    mine = CommunityFactory(enterprise=user.enterprise, owner=staff)
    inside = MembershipFactory(community=mine)
    MembershipFactory(community__enterprise=user.enterprise)
    narrow = UserFactory(
        enterprise=user.enterprise,
        role=Role.OPERATOR,
        staff=staff,
        data_scope=DataScope.OWN_COMMUNITIES,
    )

    told = client_of(narrow).post(ESTIMATE, {"criterion": {}}).json()

    assert (told["count"], told["total"]) == (1, 1)
    assert [member["id"] for member in told["sample"]] == [inside.member_id]


def test_an_estimate_that_takes_too_long_is_refused(api, monkeypatch):
    monkeypatch.setattr("members.selectors.estimates.TIME_LIMIT_MS", 100)
    somebody_else = connections.create_connection("default")

    try:
        with somebody_else.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE members_purchase IN ACCESS EXCLUSIVE MODE")
            answer = api.post(ESTIMATE, {"criterion": TWO_ORDERS})
    finally:
        somebody_else.close()

    assert answer.status_code == 409
    assert answer.json()["code"] == "criterion_too_costly"
    assert api.get(CHOICES, {"metric": "has_tag"}).status_code == 200  # the connection works on
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() != ("100ms",)


def test_choices_are_found_by_code_and_by_name(user, api):
    for code, name in [("gold", "金卡"), ("silver", "银卡")]:
        Tag.objects.create(enterprise=user.enterprise, code=code, name=name)
    Tag.objects.create(enterprise=MemberFactory().enterprise, code="golden", name="别家的")

    def found(search):
        return api.get(CHOICES, {"metric": "has_tag", "search": search}).json()

    assert found("gol") == [{"value": "gold", "label": "金卡"}]
    assert found("银") == [{"value": "silver", "label": "银卡"}]
    assert len(found("")) == 2


def test_choices_for_what_narrows_a_metric(user, api):
    CommunityFactory(enterprise=user.enterprise, code="vip", name="VIP 社群")

    told = api.get(CHOICES, {"metric": "post_count", "part": "of"}).json()

    assert told == [{"value": "vip", "label": "VIP 社群"}]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"metric": "nothing"},
        {"metric": "purchase_count"},
        {"metric": "has_tag", "part": "of"},
        {"metric": "has_tag", "part": "else"},
        {"metric": "has_tag", "search": "x" * 101},
    ],
)
def test_choices_of_what_has_none_are_refused(api, query):
    assert api.get(CHOICES, query).status_code == 400


def test_every_choices_url_answers(api):
    for metric in api.get("/api/v1/metrics/").json():
        for key in ("choices_url", "of_choices_url"):
            assert metric[key] is None or api.get(metric[key]).status_code == 200


def test_a_metric_comes_with_all_that_a_builder_needs(api):
    metrics = {metric["name"]: metric for metric in api.get("/api/v1/metrics/").json()}

    assert set(metrics) == {metric.name for metric in METRICS}
    assert metrics["churn_risk"] | {"definition": ""} == {
        "name": "churn_risk",
        "label": "流失风险",
        "unit": "%",
        "source": "流失评分",
        "definition": "",
        "version": 1,
        "value_type": "percent",
        "operators": ["gte", "gt", "lte", "lt", "eq"],
        "comparisons": [
            {"op": "gte", "label": "≥"},
            {"op": "gt", "label": ">"},
            {"op": "lte", "label": "≤"},
            {"op": "lt", "label": "<"},
            {"op": "eq", "label": "="},
        ],
        "takes_window": "never",
        "parameter": "community",
        "maximum": 100,
        "choices_url": None,
        "of_choices_url": "/api/v1/criteria/choices/?metric=churn_risk&part=of",
    }
    assert metrics["has_tag"]["comparisons"][0] == {"op": "is", "label": "有"}
