import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from campaigns.models import Segment
from tests.accounts.factories import UserFactory
from tests.campaigns.factories import SegmentFactory
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

    browser.post(add, {"name": "买过的人", "code": "buyers", "criterion": BOUGHT})
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
