import pytest
from django.core.cache import cache
from django.urls import reverse

from scrm.accounts.rules.roles import Role
from scrm.desk.badges import badges
from tests.accounts.factories import UserFactory
from tests.campaigns.factories import ChurnAlertFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import EntryApplicationFactory

pytestmark = pytest.mark.django_db

BROADCASTS = "admin:campaigns_broadcast_changelist"


@pytest.fixture
def community():
    return CommunityFactory()


def items_of(client, user, url="admin:index", query=None):
    client.force_login(user)
    response = client.get(reverse(url), query)
    groups = response.context["sidebar_navigation"]
    return {str(item["title"]): item for group in groups for item in group["items"]}


def test_the_sidebar_shows_only_what_the_role_may_see(client, community):
    reader = UserFactory(enterprise=community.enterprise, role=Role.READ_ONLY)

    titles = set(items_of(client, reader))

    assert {"今日工作台", "社群", "群发", "流失预警"} <= titles
    assert {"用户", "API 密钥", "操作记录"}.isdisjoint(titles)


def test_the_sidebar_counts_what_waits(client, community):
    administrator = UserFactory(enterprise=community.enterprise)
    ChurnAlertFactory.create_batch(2, community=community)
    ChurnAlertFactory()

    assert items_of(client, administrator)["流失预警"]["badge"] == 2


def test_a_reader_has_nothing_to_do_and_so_no_badge(community):
    reader = UserFactory(enterprise=community.enterprise, role=Role.READ_ONLY)
    ChurnAlertFactory(community=community)
    EntryApplicationFactory(community=community)

    counts = badges(reader)

    assert (counts.applications, counts.alerts, counts.approvals) == (0, 0, 0)


def test_badges_are_counted_at_most_every_few_seconds(community, django_assert_num_queries):
    administrator = UserFactory(enterprise=community.enterprise)
    ChurnAlertFactory(community=community)
    badges(administrator)
    ChurnAlertFactory(community=community)

    with django_assert_num_queries(0):
        kept = badges(administrator).alerts
    cache.clear()

    assert (kept, badges(administrator).alerts) == (1, 2)


def test_one_entry_is_active_although_two_lead_to_the_same_list(client, community):
    administrator = UserFactory(enterprise=community.enterprise)

    plain = items_of(client, administrator, BROADCASTS)
    narrowed = items_of(client, administrator, BROADCASTS, {"mine": "approve"})

    assert (plain["群发"]["active"], plain["群发审批"]["active"]) == (True, False)
    assert (narrowed["群发"]["active"], narrowed["群发审批"]["active"]) == (False, True)


def test_the_calendar_of_broadcasts_is_an_entry_of_its_own(client, community):
    administrator = UserFactory(enterprise=community.enterprise)

    items = items_of(client, administrator, "admin:campaigns_broadcast_planned")

    assert (items["群发"]["active"], items["发送日历"]["active"]) == (False, True)
