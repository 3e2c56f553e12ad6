"""Who follows whom, as programs and operators see it."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from members.rules.status import FollowEnd
from tests.accounts.factories import UserFactory
from tests.members.factories import FollowFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return UserFactory(is_superuser=True)


@pytest.fixture
def client(user):
    client = Client()
    client.force_login(user)
    return client


def test_follows_are_listed_by_member_staff_and_whether_they_last(client, user):
    mine = FollowFactory(member__enterprise=user.enterprise)
    over = FollowFactory(
        member=mine.member,
        began_at=datetime(2026, 1, 1, tzinfo=UTC),
        ended_at=datetime(2026, 2, 1, tzinfo=UTC),
        end_reason=FollowEnd.BY_CUSTOMER,
    )
    FollowFactory()  # of another enterprise

    def listed(**filters):
        answer = client.get(reverse("follow-list"), filters)
        assert answer.status_code == 200, answer.content
        return {row["id"] for row in answer.json()["results"]}

    assert listed() == {mine.pk, over.pk}
    assert listed(open="true") == {mine.pk}
    assert listed(staff=over.staff.pk) == {over.pk}
    assert listed(member=mine.member.pk, open="false") == {over.pk}


def test_a_list_of_follows_takes_the_same_queries_for_one_and_for_three(
    client, user, django_assert_max_num_queries
):
    FollowFactory.create_batch(3, member__enterprise=user.enterprise)

    with django_assert_max_num_queries(5):
        client.get(reverse("follow-list"))


def test_operators_read_follows_and_change_none(client, user):
    follow = FollowFactory(member__enterprise=user.enterprise, is_mutual=False)

    assert "仅客户添加" in client.get(reverse("admin:members_follow_changelist")).content.decode()
    assert (
        follow.staff.name
        in client.get(
            reverse("admin:members_member_change", args=[follow.member.pk])
        ).content.decode()
    )
    page = client.get(reverse("admin:members_follow_change", args=[follow.pk]))
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
