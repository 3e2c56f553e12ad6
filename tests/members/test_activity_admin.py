from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from members.models import MemberDay
from scrm.accounts.admin_paging import CappedPaginator
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import (
    ActivityCoverageFactory,
    ActivityEventFactory,
    ChurnScoreFactory,
    DailyRunFactory,
    ImportRunFactory,
    MemberDayFactory,
    PurchaseFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator():
    return UserFactory()


@pytest.fixture
def desk(client, operator):
    client.force_login(operator)
    return client


LISTS = {
    "activityevent": lambda home: ActivityEventFactory(community__enterprise=home),
    "memberday": lambda home: MemberDayFactory(community__enterprise=home),
    "activitycoverage": lambda home: ActivityCoverageFactory(community__enterprise=home),
    "purchase": lambda home: PurchaseFactory(member__enterprise=home),
    "importrun": lambda home: ImportRunFactory(enterprise=home),
    "churnscore": lambda home: ChurnScoreFactory(community__enterprise=home),
    "dailyrun": lambda home: DailyRunFactory(enterprise=home),
}


def page(name):
    return reverse(f"admin:members_{name}_changelist")


@pytest.mark.parametrize("name", LISTS)
def test_a_list_takes_as_many_queries_for_three_rows_as_for_one(
    name, operator, desk, django_assert_num_queries
):
    LISTS[name](operator.enterprise)
    desk.get(page(name))  # fills the caches of the sidebar
    with CaptureQueriesContext(connection) as one:
        assert desk.get(page(name)).status_code == 200
    for _n in range(2):
        LISTS[name](operator.enterprise)

    with django_assert_num_queries(len(one)):
        assert desk.get(page(name)).status_code == 200


def test_what_a_colleague_did_is_listed_under_their_name(operator, desk):
    colleague = StaffFactory(enterprise=operator.enterprise, name="陈运营")
    ActivityEventFactory(community__enterprise=operator.enterprise, member=None, staff=colleague)

    assert "陈运营" in desk.get(page("activityevent")).content.decode()


def test_a_score_shows_its_reasons_in_words(operator, desk):
    ChurnScoreFactory(community__enterprise=operator.enterprise)

    text = desk.get(page("churnscore")).content.decode()

    assert "已沉默 9 天，平时每 2.5 天活跃一次" in text
    assert "70%" in text


def test_a_nickname_with_markup_is_shown_as_it_is(operator, desk):
    ChurnScoreFactory(
        community__enterprise=operator.enterprise, member__nickname="<script>alert(1)</script>"
    )

    assert "<script>alert(1)" not in desk.get(page("churnscore")).content.decode()


def test_the_refused_rows_are_downloaded_by_who_may_write_them(operator, desk, client, tmp_path):
    file = tmp_path / "members.csv.rejects.csv"
    file.write_text("行号")
    run = ImportRunFactory(enterprise=operator.enterprise, rejects_file=str(file))
    url = reverse("admin:members_importrun_rejects", args=[run.pk])

    answer = desk.get(url)
    assert answer.content.decode() == "行号"
    assert answer["Content-Disposition"] == 'attachment; filename="members.csv.rejects.csv"'

    file.unlink()
    assert desk.get(url).status_code == 302
    client.force_login(UserFactory(enterprise=operator.enterprise, role=Role.READ_ONLY))
    assert client.get(url).status_code == 403
    client.force_login(UserFactory())
    assert client.get(url).status_code == 404


def test_a_big_table_is_counted_only_as_far_as_anybody_turns_pages(monkeypatch, db):
    monkeypatch.setattr("scrm.accounts.admin_paging.COUNTED", 3)
    community = CommunityFactory()
    for _n in range(5):
        MemberDayFactory(community=community)

    pages = CappedPaginator(MemberDay.objects.order_by("-day", "-pk"), 2)

    assert (pages.count, pages.num_pages) == (3, 2)


def test_history_can_only_be_read(operator, desk):
    event = ActivityEventFactory(
        community__enterprise=operator.enterprise, occurred_at=datetime(2026, 3, 2, tzinfo=UTC)
    )

    for name, row in (("add", []), ("delete", [event.pk])):
        url = reverse(f"admin:members_activityevent_{name}", args=row)
        assert desk.get(url).status_code == 403
