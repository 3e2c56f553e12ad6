import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.rules.status import AlertStatus
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import StaffFactory, UserFactory
from tests.campaigns.factories import ChurnAlertFactory
from tests.communities.factories import CommunityFactory

pytestmark = pytest.mark.django_db

WORKLIST = "admin:campaigns_churnalert_changelist"
CONFIRMED = {"_form_submitted": "on"}


@pytest.fixture
def community():
    return CommunityFactory()


@pytest.fixture
def operator(community):
    staff = StaffFactory(enterprise=community.enterprise)
    return UserFactory(enterprise=community.enterprise, role=Role.OPERATOR, staff=staff)


@pytest.fixture
def admin_client(client, operator):
    client.force_login(operator)
    return client


def listed(response):
    return list(response.context["cl"].result_list)


def test_the_worklist_shows_what_is_to_be_done_by_stake(admin_client, community):
    cheap = ChurnAlertFactory(community=community, value_amount=100)
    dear = ChurnAlertFactory(community=community, value_amount=9_000)
    ChurnAlertFactory(
        community=community, status=AlertStatus.CHURNED, closed_at="2026-03-12T00:00:00Z"
    )

    assert listed(admin_client.get(reverse(WORKLIST))) == [dear, cheap]


def test_the_worklist_can_show_what_is_done(admin_client, community):
    ChurnAlertFactory(community=community)
    done = ChurnAlertFactory(
        community=community, status=AlertStatus.CHURNED, closed_at="2026-03-12T00:00:00Z"
    )

    assert listed(admin_client.get(reverse(WORKLIST), {"state": "churned"})) == [done]
    assert len(listed(admin_client.get(reverse(WORKLIST), {"state": "all"}))) == 2


def test_only_mine_shows_only_mine(admin_client, community, operator):
    mine = ChurnAlertFactory(community=community, assignee=operator.staff)
    nobodys = ChurnAlertFactory(community=community)

    assert listed(admin_client.get(reverse(WORKLIST), {"mine": "yes"})) == [mine]
    assert listed(admin_client.get(reverse(WORKLIST), {"mine": "nobody"})) == [nobodys]


def test_the_worklist_takes_as_many_queries_for_many_alerts_as_for_one(admin_client, community):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(reverse(WORKLIST))
        return len(captured)

    def add_alert():
        assignee = StaffFactory(enterprise=community.enterprise)
        ChurnAlertFactory(community=community, assignee=assignee)

    add_alert()
    queries()  # fills the cache of the sidebar's badges
    for_one = queries()
    add_alert()
    add_alert()

    assert queries() == for_one


def test_selected_alerts_are_acknowledged_and_refusals_shown(admin_client, community, operator):
    fresh = ChurnAlertFactory(community=community)
    taken = ChurnAlertFactory(community=community, status=AlertStatus.INTERVENING)

    response = admin_client.post(
        reverse(WORKLIST),
        {"action": "acknowledge_selected", "_selected_action": [fresh.pk, taken.pk]},
        follow=True,
    )

    fresh.refresh_from_db()
    assert (fresh.status, fresh.assignee) == (AlertStatus.ACKNOWLEDGED, operator.staff)
    shown = [str(message) for message in response.context["messages"]]
    assert len(shown) == 2
    assert any("不能改为" in message for message in shown)


def test_dismissing_asks_for_a_reason(admin_client, community):
    alert = ChurnAlertFactory(community=community)
    url = reverse("admin:campaigns_churnalert_dismiss", args=[alert.pk])

    admin_client.post(url, {**CONFIRMED, "reason": ""})
    alert.refresh_from_db()
    unmoved = alert.status
    admin_client.post(url, {**CONFIRMED, "reason": "搬家了"})
    alert.refresh_from_db()

    assert unmoved == AlertStatus.OPEN
    assert (alert.status, alert.note) == (AlertStatus.DISMISSED, "搬家了")


def test_who_acts_from_the_worklist_stays_in_it(admin_client, community):
    alert = ChurnAlertFactory(community=community)
    worklist, page = (
        reverse(WORKLIST),
        reverse("admin:campaigns_churnalert_change", args=[alert.pk]),
    )

    def act(verb, came_from):
        headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{came_from}"}
        url = reverse(f"admin:campaigns_churnalert_{verb}", args=[alert.pk])
        return admin_client.post(url, CONFIRMED, headers=headers)["HX-Redirect"]

    assert act("acknowledge", f"{worklist}?mine=yes") == worklist
    assert act("intervene", page) == page


def test_a_reader_sees_the_worklist_but_no_button(client, community):
    ChurnAlertFactory(community=community)
    client.force_login(UserFactory(enterprise=community.enterprise, role=Role.READ_ONLY))

    response = client.get(reverse(WORKLIST))

    assert len(listed(response)) == 1
    assert response.context["actions_row"] == []
