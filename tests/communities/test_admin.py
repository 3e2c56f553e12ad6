import json

import pytest
from django.test import Client
from django.urls import reverse

from communities.admin.criterion_field import ROWS, CriterionFormField
from communities.models import Community, EntryPolicy, GroupChat, Tier
from communities.rules.status import CommunityStatus
from scrm.shared.criteria import Criterion, parse_criterion
from tests.accounts.factories import UserFactory
from tests.communities.factories import (
    ClassificationValueFactory,
    CommunityFactory,
    EntryPolicyFactory,
    GroupChatFactory,
    TierFactory,
)

pytestmark = pytest.mark.django_db

DIALOG = {"_form_submitted": "on"}


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def page(user):
    client = Client()
    client.force_login(user)
    return client


def text_of(response):
    assert response.status_code == 200
    return response.content.decode()


LISTS = {
    "community": lambda user: GroupChatFactory(
        community__enterprise=user.enterprise,
        community__values=[ClassificationValueFactory(axis__enterprise=user.enterprise)],
    ),
    "entrypolicy": lambda user: EntryPolicyFactory(community__enterprise=user.enterprise),
    "groupchat": lambda user: GroupChatFactory(community__enterprise=user.enterprise),
    "classificationaxis": lambda user: ClassificationValueFactory(axis__enterprise=user.enterprise),
    "classificationvalue": lambda user: ClassificationValueFactory(
        axis__enterprise=user.enterprise
    ),
    "tierscheme": lambda user: TierFactory(scheme__enterprise=user.enterprise),
    "tier": lambda user: TierFactory(scheme__enterprise=user.enterprise),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_as_many_queries_for_three_rows_as_for_one(
    name, user, page, django_assert_num_queries, django_assert_max_num_queries
):
    url = reverse(f"admin:communities_{name}_changelist")
    LISTS[name](user)
    page.get(url)  # the badges of the sidebar are remembered from here on
    with django_assert_max_num_queries(20) as first:
        text_of(page.get(url))
    for _ in range(2):
        LISTS[name](user)

    with django_assert_num_queries(len(first)):
        text_of(page.get(url))


def test_the_community_list_shows_status_threshold_and_people(user, page):
    community = CommunityFactory(enterprise=user.enterprise, policy=None)
    EntryPolicyFactory(
        community=community,
        mode="rule",
        criterion={"metric": "purchase_count", "op": "gte", "value": 3, "window_days": 90},
    )
    GroupChatFactory(community=community, member_count=7)

    text = text_of(page.get(reverse("admin:communities_community_changelist")))

    assert "运营中" in text
    assert "按规则自动：近 90 天购买次数 ≥ 3" in text
    assert "7 / 500" in text


def test_a_community_is_made_in_the_admin(user, page):
    data = {
        "name": "猫友",
        "code": "cats",
        "kind": "standard",
        "circle": "city",
        "purpose_kind": "single",
        "minimum_size": 10,
        "target_size": 100,
    }
    answer = page.post(reverse("admin:communities_community_add"), data)

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    community = Community.objects.get()
    assert (community.enterprise, community.status) == (user.enterprise, CommunityStatus.DRAFT)


def buttons_of(page, community):
    text = text_of(page.get(reverse("admin:communities_community_change", args=[community.pk])))
    return {target for target in CommunityStatus.values if f"/move_to_{target}/" in text}


def test_only_the_moves_that_exist_are_offered_and_a_move_is_made(user, page):
    community = CommunityFactory(enterprise=user.enterprise)
    assert buttons_of(page, community) == {"paused", "closing"}

    url = reverse("admin:communities_community_move_to_paused", args=[community.pk])
    page.post(url, DIALOG)

    community.refresh_from_db()
    assert community.status == CommunityStatus.PAUSED
    assert buttons_of(page, community) == {"active"}


def test_a_move_that_is_refused_says_what_is_missing(user, page):
    community = CommunityFactory(enterprise=user.enterprise, draft=True)
    url = reverse("admin:communities_community_move_to_recruiting", args=[community.pk])

    answer = page.post(url, DIALOG, follow=True)

    assert "选定准入规则" in text_of(answer)
    community.refresh_from_db()
    assert community.status == CommunityStatus.DRAFT


def threshold(page, community, **fields):
    url = reverse("admin:communities_community_edit_threshold", args=[community.pk])
    return page.post(url, DIALOG | {"mode": "rule", "criterion_join": "all"} | fields)


def test_a_threshold_is_built_from_rows(user, page):
    community = CommunityFactory(enterprise=user.enterprise)

    threshold(
        page,
        community,
        criterion_metric0="purchase_amount",
        criterion_op0="gte",
        criterion_value0="199.5",
        criterion_days0="90",
        criterion_metric3="in_community",
        criterion_op3="is",
        criterion_value3=community.code,
    )

    assert EntryPolicy.objects.active().get().criterion == {
        "all": [
            {"metric": "purchase_amount", "op": "gte", "value": 19950, "window_days": 90},
            {"metric": "in_community", "op": "is", "value": community.code},
        ]
    }


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"criterion_metric1": "post_count"}, "第 2 行：这里应是 0 到"),
        ({"criterion_metric0": "post_count", "criterion_value0": "1.5"}, "第 1 行：这里应是 0 到"),
        ({"criterion_value4": "3"}, "第 5 行：请选指标。"),
        (
            {"criterion_metric2": "active_days", "criterion_value2": "3"},
            "第 3 行：“活跃天数”必须写明近几天",
        ),
        (
            {
                "criterion_metric0": "in_community",
                "criterion_op0": "is",
                "criterion_value0": "nowhere",
            },
            "没有代码为“nowhere”的社群。",
        ),
        ({"criterion_json": "{"}, "高级写法不是正确的 JSON。"),
        ({"criterion_json": '{"metric": "x"}'}, "$.metric"),
    ],
)
def test_a_wrong_row_is_told_by_its_number(user, page, fields, words):
    community = CommunityFactory(enterprise=user.enterprise)

    answer = threshold(page, community, **{"criterion_op1": "gte", "criterion_op0": "gte"} | fields)

    assert words in text_of(answer)
    assert not EntryPolicy.objects.filter(mode="rule").exists()


def test_the_dialog_opens_with_the_policy_in_force(user, page):
    community = CommunityFactory(enterprise=user.enterprise, policy=None)
    criterion = {"any": [{"metric": "purchase_amount", "op": "gt", "value": 5}]}
    EntryPolicyFactory(community=community, mode="rule", criterion=criterion)
    url = reverse("admin:communities_community_edit_threshold", args=[community.pk])

    text = text_of(page.get(url))

    assert 'value="0.05"' in text
    assert '<option value="any" selected>' in text
    assert '<option value="purchase_amount" selected>购买金额</option>' in text


CLAUSE = {"metric": "purchase_amount", "op": "gte", "value": 12345, "window_days": 30}
ORDERS = {"metric": "purchase_count", "op": "eq", "value": 0}


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"all": [CLAUSE]},
        {"any": [CLAUSE, ORDERS]},
        {"all": [CLAUSE, {"not": ORDERS}]},
        {"all": [ORDERS] * (ROWS + 1)},
    ],
)
def test_a_criterion_survives_the_form_untouched(raw):
    field = CriterionFormField()
    data = field.widget.decompress(raw)

    assert field.clean(data) == (parse_criterion(raw) if raw else Criterion())
    assert not field.has_changed(raw, data)


def test_a_tier_is_made_with_rows_and_renamed_without_touching_them(user, page):
    lowest = TierFactory(scheme__enterprise=user.enterprise, rank=1)
    data = {
        "scheme": lowest.scheme_id,
        "rank": 2,
        "name": "金卡",
        "criterion_join": "all",
        "criterion_metric0": "purchase_count",
        "criterion_op0": "gte",
        "criterion_value0": "3",
        "keep_factor": "0.90",
        "grace_days": "14",
    }
    answer = page.post(reverse("admin:communities_tier_add"), data)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    tier = Tier.objects.get(rank=2)
    assert tier.criterion == {"all": [{"metric": "purchase_count", "op": "gte", "value": 3}]}

    page.post(reverse("admin:communities_tier_change", args=[tier.pk]), data | {"name": "白金"})

    tier.refresh_from_db()
    assert (tier.name, len(tier.criterion["all"])) == ("白金", 1)


def test_a_refused_tier_keeps_what_was_typed(user, page):
    lowest = TierFactory(scheme__enterprise=user.enterprise, rank=1)
    data = {
        "scheme": lowest.scheme_id,
        "rank": 2,
        "name": "没有门槛的金卡",
        "criterion_join": "all",
        "keep_factor": "0.90",
        "grace_days": "14",
    }

    text = text_of(page.post(reverse("admin:communities_tier_add"), data))

    assert "只有最低一级可以没有门槛" in text
    assert "没有门槛的金卡" in text


def test_unassigned_chats_are_listed_and_assigned(user, page):
    GroupChatFactory(community__enterprise=user.enterprise, name="已有归属")
    free = GroupChatFactory(community=None, enterprise=user.enterprise, name="空群")
    url = reverse("admin:communities_groupchat_changelist")

    text = text_of(page.get(url, {"assigned": "no"}))
    assert "空群" in text
    assert "已有归属" not in text

    community = CommunityFactory(enterprise=user.enterprise)
    url = reverse("admin:communities_groupchat_assign", args=[free.pk])
    page.post(url, DIALOG | {"community": community.pk})
    assert GroupChat.objects.get(pk=free.pk).community == community


def test_no_page_of_communities_shows_braces(user, page):
    """A criterion is a sentence wherever it is read."""
    community = CommunityFactory(enterprise=user.enterprise, policy=None)
    policy = EntryPolicyFactory(community=community, mode="rule", criterion=CLAUSE)
    tier = TierFactory(scheme__enterprise=user.enterprise, rank=1, criterion=CLAUSE)
    shown = json.dumps("purchase_amount")

    for name, row in [
        ("community", community),
        ("entrypolicy", policy),
        ("tierscheme", tier.scheme),
    ]:
        text = text_of(page.get(reverse(f"admin:communities_{name}_change", args=[row.pk])))
        assert "近 30 天购买金额 ≥ 123.45 元" in text
        assert shown not in text
        assert "{&#x27;" not in text
