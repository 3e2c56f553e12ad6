from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from communities.models import Community
from communities.rules.kinds import CommunityKind
from communities.rules.status import CommunityStatus
from communities.selectors import undersized
from communities.services.lifecycle import move_community
from members.services.proposing_merges import PEACE, propose_merges
from scrm.accounts.models import OperatorTask
from scrm.accounts.services.operator_tasks import dismiss_task
from tests.accounts.factories import UserFactory
from tests.communities.factories import (
    ClassificationValueFactory,
    CommunityFactory,
    GroupChatFactory,
)
from tests.members.factories import MembershipFactory

pytestmark = pytest.mark.django_db

NOW = timezone.now()
LONG_AGO = NOW - timedelta(days=40)


@pytest.fixture
def parent():
    return CommunityFactory(name="全国", created_at=LONG_AGO, minimum_size=1)


def small(parent, *, members=1, **fields):
    fields = {"created_at": LONG_AGO, "minimum_size": 3} | fields
    community = CommunityFactory(enterprise=parent.enterprise, parent=parent, **fields)
    MembershipFactory.create_batch(members, community=community)
    return community


def found():
    return set(undersized(Community.objects.all(), now=NOW))


def proposal(community):
    return OperatorTask.objects.open().filter(object_id=community.pk, kind="merge").first()


# --- which are too small ---


def test_a_running_community_below_its_minimum_is_too_small_after_a_month(parent):
    one = small(parent)
    small(parent, members=3)
    small(parent, created_at=NOW - timedelta(days=29))
    small(parent, status=CommunityStatus.RECRUITING)
    small(parent, kind=CommunityKind.FLASH)
    MembershipFactory(community=parent)

    assert found() == {one}


def test_people_are_counted_not_heads_in_chats(parent):
    crowd = small(parent)
    GroupChatFactory(community=crowd, member_count=50)
    left = small(parent)
    MembershipFactory.create_batch(5, community=left, gone=True)
    MembershipFactory(community=parent)

    assert found() == {crowd, left}


def test_the_list_of_communities_can_be_narrowed_to_those_too_small(client, parent):
    one = small(parent)
    MembershipFactory(community=parent)
    user = UserFactory(enterprise=parent.enterprise)
    api = APIClient()
    api.force_authenticate(user)

    def ids(value):
        results = api.get("/api/v1/communities/", {"undersized": value}).json()["results"]
        return {row["id"] for row in results}

    assert ids("true") == {one.pk}
    assert ids("false") == {parent.pk}
    client.force_login(user)
    page = client.get(reverse("admin:communities_community_changelist"), {"undersized": "yes"})
    assert list(page.context["cl"].result_list) == [one]


# --- what is proposed ---


def test_the_owner_is_asked_to_merge_with_the_nearest_and_told_why(parent):
    value = ClassificationValueFactory(axis__enterprise=parent.enterprise, name="布偶")
    one = small(parent, name="华东布偶", values=[value])
    near = small(parent, members=4, name="华南布偶", values=[value])
    MembershipFactory(community=parent)

    assert propose_merges(NOW) == 1

    task = OperatorTask.objects.get()
    assert (task.object_id, task.assignee) == (one.pk, one.owner)
    assert task.title == "“华东布偶”只有 1 人，建议并入“华南布偶”"
    assert task.details["target"] == {"id": near.pk, "name": "华南布偶"}
    assert (task.details["size"], task.details["minimum_size"]) == (1, 3)
    assert "相同的分类：布偶。" in task.details["reasons"]
    assert "并入后 5 人，不超过目标规模 500 人。" in task.details["reasons"]


def test_without_room_anywhere_it_is_said_so(parent):
    Community.objects.filter(pk=parent.pk).update(target_size=1)
    MembershipFactory(community=parent)
    one = small(parent)
    small(parent, members=5, status=CommunityStatus.PAUSED)  # takes nobody

    propose_merges(NOW)

    task = proposal(one)
    assert task.details["target"] is None
    assert task.title.endswith("没有合适的社群可以并入")


def test_a_community_without_a_parent_has_no_siblings():
    one = CommunityFactory(created_at=LONG_AGO, minimum_size=3)
    CommunityFactory(enterprise=one.enterprise, created_at=NOW)

    propose_merges(NOW)

    assert proposal(one).details["target"] is None


def test_asked_every_day_there_is_one_task_and_it_tells_the_latest(parent):
    one = small(parent)
    MembershipFactory(community=parent)
    propose_merges(NOW)
    MembershipFactory(community=one)

    propose_merges(NOW)

    assert OperatorTask.objects.get().details["size"] == 2


def test_the_task_ends_when_the_community_has_grown(parent):
    one = small(parent)
    MembershipFactory(community=parent)
    propose_merges(NOW)
    MembershipFactory.create_batch(2, community=one)

    assert propose_merges(NOW) == 0

    task = OperatorTask.objects.get()
    assert (task.status, task.closed_by) == ("done", None)


def test_the_task_ends_with_the_community(parent):
    one = small(parent)
    MembershipFactory(community=parent)
    propose_merges(NOW)

    move_community(one.pk, target=CommunityStatus.CLOSING, actor=None)

    assert OperatorTask.objects.get().status == "done"


def test_who_said_no_is_left_in_peace_for_a_while(parent):
    one = small(parent)
    MembershipFactory(community=parent)
    propose_merges(NOW)
    user = UserFactory(enterprise=parent.enterprise)
    dismiss_task(proposal(one).pk, reason="节后再看", actor=user)

    assert propose_merges(NOW) == 0
    assert propose_merges(NOW + PEACE + timedelta(days=1)) == 1


def test_communities_that_were_not_asked_yet_come_first(parent):
    MembershipFactory(community=parent)
    first, second = small(parent), small(parent)
    propose_merges(NOW, limit=1)
    assert proposal(first)

    propose_merges(NOW, limit=1)
    assert proposal(second)


def test_looking_for_proposals_costs_a_constant_number_of_queries_each(parent):
    MembershipFactory(community=parent)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            propose_merges(NOW)
        return len(captured)

    small(parent)
    queries()
    for_one = queries()
    small(parent)
    queries()
    for_two = queries()
    small(parent)
    queries()
    assert queries() - for_two == for_two - for_one
