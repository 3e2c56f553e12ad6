import json

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from campaigns.models import Segment, SegmentChat
from tests.accounts.factories import UserFactory
from tests.campaigns.factories import SegmentFactory
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.factories import PurchaseFactory

pytestmark = pytest.mark.django_db

LIST = "admin:campaigns_segment_changelist"
BOUGHT = '{"metric": "purchase_count", "op": "gte", "value": 1}'


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def browser(client, user):
    client.force_login(user)
    return client


def test_a_segment_is_written_without_knowing_json_and_drawn(user, browser):
    PurchaseFactory(member__enterprise=user.enterprise)
    add = reverse("admin:campaigns_segment_add")

    written = {"name": "买过的人", "code": "buyers", "target": "members", "criterion": BOUGHT}
    browser.post(add, written)
    segment = Segment.objects.get()
    done = browser.post(
        reverse("admin:campaigns_segment_draw", args=[segment.pk]), {"_form_submitted": "on"}
    )

    assert "1 人" in " ".join(str(each) for each in get_messages(done.wsgi_request))
    page = browser.get(reverse(LIST)).content.decode()
    assert "购买次数 ≥ 1" in page


def test_a_segment_that_refers_to_itself_is_refused_in_the_form(user, browser):
    segment = SegmentFactory(enterprise=user.enterprise, code="loop")
    own = '{"metric": "in_segment", "op": "is", "value": "loop"}'

    answer = browser.post(
        reverse("admin:campaigns_segment_change", args=[segment.pk]),
        {"name": segment.name, "criterion": own},
    )

    assert answer.status_code == 200
    assert "绕回了自己" in answer.content.decode()
    segment.refresh_from_db()
    assert segment.criterion["metric"] == "purchase_count"


def test_the_list_takes_as_many_queries_for_three_rows_as_for_one(
    user, browser, django_assert_max_num_queries
):
    SegmentFactory(enterprise=user.enterprise)
    browser.get(reverse(LIST))
    with django_assert_max_num_queries(40) as one:
        browser.get(reverse(LIST))
    for _ in range(2):
        SegmentFactory(enterprise=user.enterprise)
    with django_assert_max_num_queries(len(one)):
        assert browser.get(reverse(LIST)).status_code == 200


def test_a_segment_of_chats_is_built_with_metrics_of_chats(user, browser):
    community = CommunityFactory(enterprise=user.enterprise)
    big = GroupChatFactory(community=community, member_count=80)
    GroupChatFactory(community=community, member_count=20)
    criterion = json.dumps({"metric": "chat_size", "op": "gte", "value": 50})
    written = {"name": "大群", "code": "big", "target": "chats", "chat_criterion": criterion}

    browser.post(reverse("admin:campaigns_segment_add"), written)
    segment = Segment.objects.get()
    browser.post(
        reverse("admin:campaigns_segment_draw", args=[segment.pk]), {"_form_submitted": "on"}
    )

    segment.refresh_from_db()
    assert (segment.target, segment.member_count) == ("chats", 1)
    assert list(SegmentChat.objects.values_list("chat_id", flat=True)) == [big.pk]
    page = browser.get(reverse("admin:campaigns_segment_change", args=[segment.pk]))
    assert "chat_fullness" in page.content.decode()
    url = reverse("admin:campaigns_segment_change", args=[segment.pk])
    other = json.dumps({"metric": "chat_size", "op": "gte", "value": 10})
    browser.post(url, {"name": "群", "chat_criterion": other})
    segment.refresh_from_db()
    assert (segment.name, segment.criterion["value"], segment.drawn_at) == ("群", 10, None)
