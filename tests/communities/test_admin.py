import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from communities.admin.community_facts import Size
from communities.models import Community, EntryPolicy, GroupChat, JoinWayDay, Tier
from communities.rules.status import CommunityStatus
from tests.accounts.factories import UserFactory
from tests.communities.factories import (
    ClassificationValueFactory,
    CommunityFactory,
    EntryPolicyFactory,
    GroupChatFactory,
    JoinWayFactory,
    TierFactory,
)

pytestmark = pytest.mark.django_db

DIALOG = {"_form_submitted": "on"}
ORDERS = {"metric": "purchase_count", "op": "gte", "value": 3}
CLAUSE = {"metric": "purchase_amount", "op": "gte", "value": 12345, "window_days": 30}


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
        "allowed_categories": ["benefit", "event"],
        "advert_share_limit": 20,
    }
    answer = page.post(reverse("admin:communities_community_add"), data)

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    community = Community.objects.get()
    assert (community.enterprise, community.status) == (user.enterprise, CommunityStatus.DRAFT)
    assert community.allowed_categories == ["benefit", "event"]
    assert community.advert_share_limit == 20


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


def threshold(page, community, criterion, mode="rule"):
    url = reverse("admin:communities_community_edit_threshold", args=[community.pk])
    return page.post(url, DIALOG | {"mode": mode, "criterion": criterion})


def test_a_threshold_is_set_in_its_dialog(user, page):
    community = CommunityFactory(enterprise=user.enterprise)
    criterion = {"any": [CLAUSE, {"metric": "in_community", "op": "is", "value": community.code}]}

    threshold(page, community, json.dumps(criterion))

    assert EntryPolicy.objects.active().get().criterion == criterion


def test_a_refused_threshold_keeps_what_was_built(user, page):
    community = CommunityFactory(enterprise=user.enterprise)
    stranger = CommunityFactory(code="elsewhere")
    named = {"metric": "in_community", "op": "is", "value": stranger.code}

    text = text_of(threshold(page, community, json.dumps({"all": [CLAUSE, named]})))

    assert "第 2 条：没有代码为“elsewhere”的社群。" in text
    assert "&quot;elsewhere&quot;" in text
    assert not EntryPolicy.objects.filter(mode="rule").exists()


def test_a_rule_without_a_threshold_is_refused_in_the_dialog(user, page):
    community = CommunityFactory(enterprise=user.enterprise)

    assert "按规则准入必须写明门槛" in text_of(threshold(page, community, ""))
    assert not EntryPolicy.objects.filter(mode="rule").exists()


def test_the_dialog_opens_with_the_policy_in_force(user, page):
    community = CommunityFactory(enterprise=user.enterprise, policy=None)
    EntryPolicyFactory(community=community, mode="rule", criterion=CLAUSE)
    url = reverse("admin:communities_community_edit_threshold", args=[community.pk])

    text = text_of(page.get(url))

    assert "&quot;value&quot;: 12345" in text
    assert "criterion-builder.js" in text


def test_a_tier_is_made_with_a_threshold_and_renamed_without_touching_it(user, page):
    lowest = TierFactory(scheme__enterprise=user.enterprise, rank=1)
    data = {
        "scheme": lowest.scheme_id,
        "rank": 2,
        "name": "金卡",
        "criterion": json.dumps({"all": [ORDERS]}),
        "keep_factor": "0.90",
        "grace_days": "14",
    }
    answer = page.post(reverse("admin:communities_tier_add"), data)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    tier = Tier.objects.get(rank=2)
    assert tier.criterion == {"all": [ORDERS]}

    page.post(reverse("admin:communities_tier_change", args=[tier.pk]), data | {"name": "白金"})

    tier.refresh_from_db()
    assert (tier.name, tier.criterion) == ("白金", {"all": [ORDERS]})


def test_a_refused_tier_keeps_what_was_typed(user, page):
    lowest = TierFactory(scheme__enterprise=user.enterprise, rank=1)
    data = {
        "scheme": lowest.scheme_id,
        "rank": 2,
        "name": "没有门槛的金卡",
        "criterion": "",
        "keep_factor": "0.90",
        "grace_days": "14",
    }

    text = text_of(page.post(reverse("admin:communities_tier_add"), data))

    assert "只有最低一级可以没有门槛" in text
    assert "没有门槛的金卡" in text


def test_the_page_of_a_community_begins_with_its_facts(user, page):
    axis = ClassificationValueFactory(axis__enterprise=user.enterprise, axis__name="品种").axis
    community = CommunityFactory(enterprise=user.enterprise, policy=None, target_size=200)
    policy = EntryPolicyFactory(community=community, mode="rule", criterion=CLAUSE, version=3)
    policy.evidence_axes.add(axis)
    GroupChatFactory(community=community, member_count=160, capacity=300)
    way = JoinWayFactory(community=community, name="门店海报")
    today = timezone.now().astimezone(user.enterprise.zone).date()
    JoinWayDay.objects.create(join_way=way, day=today, scan_count=12)
    JoinWayDay.objects.create(join_way=way, day=today - timedelta(days=30), scan_count=500)

    text = text_of(page.get(reverse("admin:communities_community_change", args=[community.pk])))

    assert "近 30 天购买金额 ≥ 123.45 元" in text
    assert "需要凭证：品种" in text
    assert "1 个客户群，共可容纳 300 人" in text
    assert f'data-copy="{settings.PUBLIC_URL}/join/{community.join_slug}"' in text
    assert "门店海报" in text
    assert "14 天扫码 12 次" in text


@pytest.mark.parametrize(
    ("people", "words"),
    [
        (9, "还差 21 人"),
        (100, ""),
        (160, "已到目标的 80%"),
        (200, "已到目标的 100%"),
        (230, "多 30 人"),
    ],
)
def test_a_community_is_told_when_it_is_small_or_should_be_split(people, words):
    assert words in Size(people=people, target=200, minimum=30, capacity=500, chats=1).advice


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
