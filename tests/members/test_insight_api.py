from datetime import date, timedelta

import pytest
import time_machine
from rest_framework.test import APIClient

from communities.metrics import COMMUNITY_METRICS
from members.services.snapshot_runs import refresh_community
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.insight_worlds import at, be_active, measure, settle

DAY = timedelta(days=1)
ON = date(2026, 3, 31)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _today():
    with time_machine.travel(at(ON + DAY), tick=False):
        yield


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def api(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def community(user):
    community = CommunityFactory(enterprise=user.enterprise)
    members = settle(community, 6, joined=ON - 27 * DAY)
    measure(community, ON - 27 * DAY, ON)
    be_active(community, members, ON, ON - 7 * DAY, hours=(20,))
    refresh_community(community, until=ON)
    return community


def test_definitions_are_published_with_their_versions(api):
    answer = api.get("/api/v1/community-metrics/").json()

    assert [one["name"] for one in answer] == [one.name for one in COMMUNITY_METRICS]
    stickiness = next(one for one in answer if one["name"] == "stickiness")
    assert (stickiness["unit"], stickiness["better"], stickiness["version"]) == ("share", "up", 1)
    assert "28 天" in stickiness["definition"]


def test_figures_say_as_of_when_and_from_how_many(api, community):
    answer = api.get(f"/api/v1/communities/{community.pk}/insight/").json()

    assert answer["as_of"] == "2026-03-31"
    figures = {figure["name"]: figure for figure in answer["figures"]}
    assert figures["dau"] == {
        "name": "dau",
        "label": "日活跃成员",
        "value": 6,
        "unit": "people",
        "n": None,
        "note": "",
        "version": 1,
    }
    assert "样本太少" in figures["stickiness"]["note"]
    assert figures["owner_talk_share"]["value"] is None


def test_the_heat_map_has_seven_rows_of_24_hours(api, community):
    answer = api.get(f"/api/v1/communities/{community.pk}/insight/heat-map/?weeks=2").json()

    assert (answer["weeks"], answer["measured_days"], answer["since"]) == (2, 14, "2026-03-18")
    assert [len(hours) for hours in answer["cells"]] == [24] * 7
    assert answer["cells"][ON.weekday()][20] == 6
    assert answer["cells"][0][0] is None


def test_retention_paths_and_health_answer_for_a_small_community(api, community):
    base = f"/api/v1/communities/{community.pk}/insight"

    retention = api.get(f"{base}/retention/").json()
    paths = api.get(f"{base}/paths/?from=2026-03-01&to=2026-03-31").json()
    health = api.get(f"{base}/health/").json()

    assert (retention["weeks"], len(retention["cohorts"])) == (12, 12)
    assert "样本太少" in next(one["note"] for one in retention["cohorts"] if one["joined"])
    assert paths["paths"] == []
    assert [part["weight"] for part in health["parts"]] == [25, 25, 20, 15, 15]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?on=2026-04-01", "on"),
        ("?on=1999-01-01", "on"),
        ("heat-map/?weeks=0", "weeks"),
        ("retention/?weeks=27", "weeks"),
        ("heat-map/?hours=3", "hours"),
        ("paths/?from=2026-03-02&to=2026-03-01", "from"),
    ],
)
def test_a_day_to_come_or_too_long_a_window_is_refused(api, user, query, field):
    community = CommunityFactory(enterprise=user.enterprise)

    answer = api.get(f"/api/v1/communities/{community.pk}/insight/{query}")

    assert answer.status_code == 400
    assert field in str(answer.json())


def test_communities_of_others_do_not_exist(api, community):
    stranger = CommunityFactory()

    assert api.get(f"/api/v1/communities/{stranger.pk}/insight/").status_code == 404
    assert api.get(f"/api/v1/community-days/?community={stranger.pk}").status_code == 400


def test_days_are_listed_newest_first_in_one_query(api, community, django_assert_num_queries):
    with django_assert_num_queries(2):  # the filter's community, the page
        answer = api.get(f"/api/v1/community-days/?community={community.pk}&day_to=2026-03-29")

    rows = answer.json()["results"]
    assert rows[0]["day"] == "2026-03-29"
    assert rows[0]["figures"]["member_count"] == 6
    assert rows[1]["figures"] == {}
    assert len(rows[0]["hour_actives"]) == 24
