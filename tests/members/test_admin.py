import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from communities.rules.kinds import EntryMode
from members.models import EntryApplication, Member, Membership
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory, EntryPolicyFactory, GroupChatFactory
from tests.members.factories import (
    EntryApplicationFactory,
    MemberDayFactory,
    MemberFactory,
    MembershipFactory,
    StayFactory,
)

pytestmark = pytest.mark.django_db

DIALOG = {"_form_submitted": "on"}
CLAUSE = {
    "rule": "policy",
    "path": "$",
    "metric": "purchase_count",
    "op": "gte",
    "required": 3,
    "actual": 2,
    "window_days": None,
    "negated": False,
    "passed": False,
    "missing": 1,
}


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
    "member": lambda enterprise: MembershipFactory(community__enterprise=enterprise),
    "membership": lambda enterprise: MembershipFactory(community__enterprise=enterprise),
    "stay": lambda enterprise: StayFactory(membership__community__enterprise=enterprise),
    "entryapplication": lambda enterprise: EntryApplicationFactory(
        community__enterprise=enterprise, clauses=[CLAUSE]
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_as_many_queries_for_three_rows_as_for_one(
    name, user, page, django_assert_num_queries, django_assert_max_num_queries
):
    url = reverse(f"admin:members_{name}_changelist")
    LISTS[name](user.enterprise)
    page.get(url)  # the badges of the sidebar are remembered from here on
    with django_assert_max_num_queries(20) as first:
        text_of(page.get(url))
    for _ in range(2):
        LISTS[name](user.enterprise)

    with django_assert_num_queries(len(first)):
        text_of(page.get(url))


def test_the_selected_applications_are_approved_and_each_refusal_is_told(user, page):
    good = EntryApplicationFactory(community__enterprise=user.enterprise)
    closed = EntryApplicationFactory(
        community__enterprise=user.enterprise, community__status="closing"
    )
    GroupChatFactory(community=good.community)
    url = reverse("admin:members_entryapplication_changelist")

    answer = page.post(
        url,
        {"action": "approve_selected", "_selected_action": [good.pk, closed.pk]},
        follow=True,
    )

    text = text_of(answer)
    assert "已通过（1 条）" in text
    assert "现在不接收新成员" in text


def test_a_member_is_made_and_the_phone_is_never_shown_whole(user, page):
    page.post(
        reverse("admin:members_member_add"),
        {"external_id": "c1", "nickname": "小白", "phone": "13800138000"},
    )
    member = Member.objects.get()
    assert member.phone == "13800138000"

    for url in [
        reverse("admin:members_member_changelist"),
        reverse("admin:members_member_change", args=[member.pk]),
        reverse("admin:members_member_change_phone", args=[member.pk]),
    ]:
        assert "13800138000" not in text_of(page.get(url))


def test_a_wrong_phone_is_told_in_the_form(user, page):
    answer = page.post(
        reverse("admin:members_member_add"),
        {"external_id": "c1", "nickname": "小白", "phone": "call me"},
    )

    assert "这不是手机号" in text_of(answer)
    assert not Member.objects.exists()


def test_a_nickname_is_edited_without_touching_the_phone(user, page):
    member = MemberFactory(enterprise=user.enterprise, phone="13800138000")

    url = reverse("admin:members_member_change", args=[member.pk])
    inlines = page.get(url).context["inline_admin_formsets"]
    counts = {
        f"{inline.formset.prefix}-{name}_FORMS": 0
        for inline in inlines
        for name in ("TOTAL", "INITIAL")
    }

    page.post(url, counts | {"nickname": "新名"})

    member.refresh_from_db()
    assert (member.nickname, member.phone) == ("新名", "13800138000")


def test_a_member_applies_from_the_page_and_a_refusal_is_explained(user, page):
    community = CommunityFactory(enterprise=user.enterprise, policy=None)
    EntryPolicyFactory(
        community=community,
        mode=EntryMode.RULE,
        criterion={"metric": "purchase_count", "op": "gte", "value": 3},
    )
    member = MemberFactory(enterprise=user.enterprise)
    url = reverse("admin:members_member_apply", args=[member.pk])

    answer = page.post(url, DIALOG | {"community": community.pk}, follow=True)

    assert "未通过：购买次数 ≥ 3：实际 0，还差 3" in text_of(answer)
    assert EntryApplication.objects.get().source == "admin"


def test_a_members_page_shows_where_they_are_and_what_they_did(user, page):
    stay = StayFactory(
        membership__community__enterprise=user.enterprise,
        membership__community__name="猫友社群",
        chat__name="猫友一群",
    )
    EntryApplicationFactory(
        community=stay.membership.community, member=stay.member, clauses=[CLAUSE]
    )
    MemberDayFactory(
        member=stay.member,
        community=stay.membership.community,
        day=timezone.localdate(),
        post_count=41,
    )

    text = text_of(page.get(reverse("admin:members_member_change", args=[stay.member_id])))

    for words in ["猫友社群", "猫友一群", "购买次数 ≥ 3：实际 2，还差 1", "41"]:
        assert words in text


def test_a_member_leaves_by_the_button(user, page):
    membership = MembershipFactory(community__enterprise=user.enterprise)
    url = reverse("admin:members_membership_leave", args=[membership.pk])

    page.post(url, DIALOG | {"reason": "removed"})

    assert Membership.objects.get().leave_reason == "removed"
