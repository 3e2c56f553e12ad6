import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from communities.rules.kinds import EntryMode
from members.models import BlocklistEntry
from members.rules.status import ApplicationStatus
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.entry_factories import (
    THREE_PURCHASES,
    BlocklistEntryFactory,
    gated,
    time_to_undo_passes,
)
from tests.members.factories import EntryApplicationFactory, MemberFactory, MembershipFactory

pytestmark = pytest.mark.django_db

DIALOG = {"_form_submitted": "on"}
QUEUE = reverse("admin:members_entryapplication_changelist") + "?status__exact=in_review"
CLAUSE = {
    "rule": "policy", "path": "$", "metric": "purchase_count", "op": "gte", "required": 3,
    "actual": 2, "window_days": None, "negated": False, "passed": False, "missing": 1,
}  # fmt: skip


@pytest.fixture
def user():
    return UserFactory(username="su.wan")


@pytest.fixture
def page(user):
    return page_of(user)


def page_of(user):
    client = Client()
    client.force_login(user)
    return client


def text_of(response):
    assert response.status_code == 200
    return response.content.decode()


def button(name, row):
    return reverse(f"admin:members_entryapplication_{name}", args=[row.pk])


def change(row):
    return reverse("admin:members_entryapplication_change", args=[row.pk])


def waiting(user, **fields):
    community = CommunityFactory(enterprise=user.enterprise)
    return EntryApplicationFactory(
        community=community, policy=community.entry_policies.get(), **fields
    )


def test_the_queue_shows_what_is_due_first_first_with_every_clause_and_the_time_left(user, page):
    now = timezone.now()
    for name, minutes in [("不急的", 5 * 60 + 5), ("超时的", -125), ("快到的", 65)]:
        waiting(
            user,
            member__nickname=name,
            review_due_at=now + timedelta(minutes=minutes),
            clauses=[CLAUSE],
        )
    waiting(user, member__nickname="已撤回的", status=ApplicationStatus.WITHDRAWN)

    text = text_of(page.get(QUEUE))

    assert text.index("超时的") < text.index("快到的") < text.index("不急的")
    assert "已撤回的" not in text
    assert "购买次数 ≥ 3：实际 2，还差 1" in text
    for words in ["超时 2 小时", "还剩 1 小时", "还剩 5 小时", "领取下一份"]:
        assert words in text
    assert "快到的" not in text_of(page.get(QUEUE + "&overdue=yes"))


def test_the_next_application_is_handed_over_and_shown_as_taken(user, page):
    waiting(user, review_due_at=timezone.now() + timedelta(hours=2))
    first = waiting(user, review_due_at=timezone.now() + timedelta(hours=1), clauses=[CLAUSE])
    colleague = UserFactory(enterprise=user.enterprise)

    answer = page.post(
        reverse("admin:members_entryapplication_claim_next"),
        DIALOG,
        headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{QUEUE}"},
    )

    assert answer.headers["HX-Redirect"] == change(first)
    text = text_of(page.get(change(first)))
    assert "已领取，15 分钟内请决定。" in text
    assert "购买次数 ≥ 3：实际 2，还差 1" in text
    for name in ("approve", "reject", "release"):
        assert button(name, first) in text
    assert button("undo", first) not in text
    seen_by_colleague = text_of(page_of(colleague).get(change(first)))
    assert "su.wan" in seen_by_colleague
    assert button("approve", first) not in seen_by_colleague


def test_an_empty_queue_says_so(page):
    answer = page.post(reverse("admin:members_entryapplication_claim_next"), DIALOG, follow=True)

    assert "没有等待审核的申请" in text_of(answer)


@pytest.mark.parametrize(("name", "body"), [("approve", {}), ("reject", {"reason": "看不清"})])
def test_a_decision_stays_in_the_queue_and_offers_to_undo_it(name, body, user, page):
    application = waiting(user, member__nickname="阿福")

    answer = page.post(
        button(name, application),
        DIALOG | body,
        headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{QUEUE}"},
    )

    assert answer.headers["HX-Redirect"] == QUEUE
    text = text_of(page.get(QUEUE))
    assert "阿福：" in text
    form = re.search(rf'<form method="post" action="{button("undo", application)}".*?</form>', text)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]+)"', form[0]))
    guarded = Client(enforce_csrf_checks=True)
    guarded.cookies = page.cookies
    assert "已撤销。" in text_of(guarded.post(button("undo", application), fields, follow=True))
    application.refresh_from_db()
    assert (application.status, application.claimed_by) == (ApplicationStatus.IN_REVIEW, user)


def test_a_decision_that_took_effect_is_not_offered_to_be_undone(user, page):
    application = waiting(user)
    GroupChatFactory(community=application.community)
    page.post(button("approve", application), DIALOG)
    assert button("undo", application) in text_of(page.get(change(application)))
    time_to_undo_passes()

    assert button("undo", application) not in text_of(page.get(change(application)))
    answer = page.post(button("undo", application), DIALOG, follow=True)

    assert "决定已生效" in text_of(answer)
    application.refresh_from_db()
    assert (application.status, application.decided_by) == (ApplicationStatus.JOINED, user)


def test_a_name_in_the_message_is_no_markup(user, page):
    application = waiting(user, member__nickname="<b>阿福</b>")

    text = text_of(page.post(button("approve", application), DIALOG, follow=True))

    assert "<b>阿福</b>" not in text


def test_a_rejection_without_a_reason_stays_open(user, page):
    application = waiting(user)

    page.post(button("reject", application), DIALOG)

    application.refresh_from_db()
    assert application.status == ApplicationStatus.IN_REVIEW


def test_a_reader_is_offered_nothing(user):
    application = waiting(user)
    reader = page_of(UserFactory(enterprise=user.enterprise, role=Role.READ_ONLY))

    assert "领取下一份" not in text_of(reader.get(QUEUE))
    assert button("approve", application) not in text_of(reader.get(change(application)))


# --- Blocklist and ungated members ----------------------------------------------------------------


def test_somebody_is_blocked_from_the_page_and_let_off_by_the_button(user, page):
    member = MemberFactory(enterprise=user.enterprise)
    body = {"member": member.pk, "reason": "反复发广告", "community": "", "expires_at_0": ""}

    page.post(reverse("admin:members_blocklistentry_add"), body | {"expires_at_1": ""})

    entry = BlocklistEntry.objects.get()
    assert (entry.member, entry.blocked_by) == (member, user)
    url = reverse("admin:members_blocklistentry_change", args=[entry.pk])
    assert "解除" in text_of(page.get(url))
    page.post(reverse("admin:members_blocklistentry_unblock", args=[entry.pk]), DIALOG)
    entry.refresh_from_db()
    assert entry.lifted_at is not None


def test_a_block_that_is_refused_is_explained_in_the_form(user, page):
    entry = BlocklistEntryFactory(member__enterprise=user.enterprise)
    body = {"member": entry.member_id, "reason": "再次", "community": ""}

    answer = page.post(reverse("admin:members_blocklistentry_add"), body)

    assert "这位成员已在黑名单里" in text_of(answer)
    assert BlocklistEntry.objects.count() == 1


def test_the_blocklist_takes_as_many_queries_for_three_rows_as_for_one(
    user, page, django_assert_num_queries, django_assert_max_num_queries
):
    url = reverse("admin:members_blocklistentry_changelist")
    BlocklistEntryFactory(member__enterprise=user.enterprise)
    page.get(url)
    with django_assert_max_num_queries(20) as first:
        text_of(page.get(url))
    for _ in range(2):
        BlocklistEntryFactory(member__enterprise=user.enterprise)

    with django_assert_num_queries(len(first)):
        text_of(page.get(url))


def test_ungated_members_are_marked_and_found(user, page):
    community = CommunityFactory(enterprise=user.enterprise)
    MembershipFactory(community=community, member__nickname="闯入者", is_ungated=True)
    MembershipFactory(community=community, member__nickname="老朋友")
    url = reverse("admin:members_membership_changelist")

    text = text_of(page.get(url, {"ungated": "yes"}))

    assert "闯入者" in text
    assert "老朋友" not in text
    assert "未经准入" in text


def test_the_policy_dialog_sets_the_terms_and_shows_them_again(user, page):
    community = gated(EntryMode.RULE, THREE_PURCHASES, enterprise=user.enterprise)
    url = reverse("admin:communities_community_edit_threshold", args=[community.pk])
    body = {"mode": "open", "criterion": "{}", "review_hours": "6", "requalify_days": "90"}

    page.post(url, DIALOG | body)

    policy = community.entry_policies.get(is_active=True)
    assert (policy.mode, policy.review_hours, policy.requalify_days) == ("open", 6, 90)
    assert 'value="90"' in text_of(page.get(url))
