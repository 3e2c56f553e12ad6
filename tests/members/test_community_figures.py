import csv
import gzip
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.utils.translation import override

from communities.metrics import COMMUNITY_METRICS
from members.models import ActivityCoverage, CommunityDay, Member, MemberDay, MemberValue, StaffDay
from members.selectors.activity_figures import compare_communities, figures_of
from members.selectors.health import health_of
from members.services.snapshot_runs import keep_figures, refresh_community
from members.services.snapshots import snapshot_days
from tests.accounts.factories import StaffFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import ActivityEventFactory, ChurnScoreFactory
from tests.members.insight_worlds import at, be_active, buy, measure, settle

DAY = timedelta(days=1)
ON = date(2026, 3, 31)
FIRST = ON - 27 * DAY
CHAT_LOG = Path("/work/shared/data/chat_user_day.csv.gz")

pytestmark = pytest.mark.django_db


@pytest.fixture
def community():
    return CommunityFactory()


def measured(community, on=ON, *, days=28):
    snapshot_days(community, first=on - (days - 1) * DAY, last=on)
    return {figure.name: figure for figure in figures_of(community, on=on)}


def test_a_community_that_nobody_measured_has_no_activity_but_members(community):
    settle(community, 40, joined=FIRST)

    figures = measured(community)

    assert figures["member_count"].value == 40
    for name in ("dau", "wau", "mau", "stickiness", "speaker_coverage", "owner_talk_share"):
        assert figures[name].value is None
        assert "数据覆盖" in str(figures[name].note)
    assert figures["silent_count"].value is None
    assert figures["buyer_share"].value == 0


def test_every_figure_has_a_definition_and_answers_before_the_first_snapshot(community):
    figures = figures_of(community, on=ON)

    assert [figure.name for figure in figures] == [one.name for one in COMMUNITY_METRICS]
    for figure in figures:
        assert figure.value in {None, 0}, figure.name
        assert figure.value == 0 or str(figure.note), figure.name
    for one in COMMUNITY_METRICS:
        assert one.label
        assert one.definition
        assert one.source


def test_activity_of_one_seven_and_28_days(community):
    members = settle(community, 40, joined=FIRST - DAY)
    measure(community, FIRST, ON)
    be_active(community, members[:4], ON)
    be_active(community, members[:8], ON - 3 * DAY, click_count=1)
    be_active(community, members[:36], ON - 20 * DAY)

    figures = measured(community)

    assert [figures[name].value for name in ("dau", "wau", "mau")] == [4, 8, 36]
    assert figures["stickiness"].value == pytest.approx(48 / 28 / 36)
    assert figures["wau_mau"].value == pytest.approx(8 / 36)
    assert figures["speaker_coverage"].value == pytest.approx(4 / 40)
    assert not figures["stickiness"].note
    assert figures["active_share"].value == pytest.approx(36 / 40)
    assert (figures["dormant_count"].value, figures["silent_count"].value) == (28, 4)


def test_a_window_that_was_measured_in_part_says_so(community):
    members = settle(community, 40, joined=FIRST)
    measure(community, ON - 9 * DAY, ON)
    be_active(community, members, ON, ON - 9 * DAY)

    figures = measured(community)

    assert figures["stickiness"].value == pytest.approx(0.2)  # of the ten days that were measured
    assert "28 天里只有 10 天" in str(figures["stickiness"].note)
    assert not figures["wau"].note
    assert figures["silent_count"].value is None


def test_three_members_get_a_warning_not_nonsense(community):
    members = settle(community, 3, joined=FIRST)
    measure(community, FIRST, ON)
    be_active(community, members[:2], ON)

    figures = measured(community)

    assert figures["active_share"].value == pytest.approx(2 / 3)
    for name in ("active_share", "stickiness", "speaker_coverage", "message_gini", "leave_rate"):
        assert "样本太少" in str(figures[name].note), name
    assert figures["retention_week_4"].value is None
    assert figures["health"].value is None


def test_leaving_is_a_share_of_everybody_who_was_there(community):
    settle(community, 6, joined=FIRST - DAY, left=ON)
    settle(community, 50, joined=FIRST)
    settle(community, 4, joined=FIRST, left=FIRST)

    figures = measured(community)

    assert (figures["joined_count"].value, figures["left_count"].value) == (54, 10)
    assert figures["leave_rate"].value == pytest.approx(10 / 60)


def test_how_much_colleagues_talk_is_unknown_until_they_are_reported(community):
    members = settle(community, 2, joined=FIRST)
    measure(community, FIRST, ON)
    be_active(community, members[:1], ON, ON - DAY, message_count=3)

    assert measured(community)["owner_talk_share"].value is None

    staff = StaffFactory(enterprise=community.enterprise)
    for day, count in ((ON, 10), (ON - 2 * DAY, 20), (ON - 3 * DAY, 4)):
        StaffDay.objects.create(
            enterprise=community.enterprise,
            community=community,
            staff=staff,
            day=day,
            message_count=count,
        )
    figures = measured(community)
    assert figures["owner_talk_share"].value == pytest.approx(34 / 40)
    assert figures["owner_only_days"].value == 2
    assert figures["silent_days"].value == 24


def test_concentration_is_zero_for_equals_and_known_for_one_two_three_four(community):
    members = settle(community, 5, joined=FIRST)
    measure(community, FIRST, ON)
    for count, member in enumerate(members):
        be_active(community, [member], ON, message_count=count)

    assert measured(community)["message_gini"].value == pytest.approx(0.25)
    assert measured(community)["message_gini"].n == 4  # who says nothing is no speaker

    MemberDay.objects.update(message_count=2)
    assert measured(community)["message_gini"].value == pytest.approx(0)


def test_interaction_counts_each_member_who_answers_a_post_in_72_hours_once(community):
    author, other, late = settle(community, 3, joined=FIRST)
    settle(community, 7, joined=FIRST)
    measure(community, FIRST, ON)

    def event(member, kind, day, thread="t1", hour=12):
        ActivityEventFactory(
            community=community,
            enterprise=community.enterprise,
            member=member,
            kind=kind,
            thread=thread,
            occurred_at=at(day, hour),
        )

    event(author, "post", ON - 10 * DAY)
    event(author, "comment", ON - 10 * DAY, hour=13)  # one's own answer
    event(other, "comment", ON - 9 * DAY)
    event(other, "like", ON - 9 * DAY)
    event(late, "comment", ON - 7 * DAY, hour=13)  # an hour too late
    event(author, "post", ON - 5 * DAY, thread="nobody answered")
    event(other, "post", ON - 2 * DAY, thread="not over yet")
    event(author, "like", ON - DAY, thread="not over yet")

    figure = measured(community)["interaction_rate"]

    assert (figure.value, figure.n) == (pytest.approx(1 / 20), 2)


def test_activity_stands_beside_conversion_and_sales_beside_expected_value(community):
    members = settle(community, 100, joined=FIRST)
    measure(community, FIRST, ON)
    be_active(community, members[:98], ON)
    buy(members[0], ON, 5000)
    buy(members[1], ON, 5000, standing=0)
    MemberValue.objects.create(
        member=members[0],
        enterprise=community.enterprise,
        clv_amount=20000,
        computed_on=ON + DAY,
    )

    figures = measured(community)

    assert (figures["active_share"].value, figures["buyer_share"].value) == (0.98, 0.01)
    assert (figures["gmv"].value, figures["orders"].value) == (10000, 2)
    assert (figures["clv"].value, figures["clv"].n) == (20000, 1)


def test_who_is_at_risk_is_known_of_the_latest_scores_only(community):
    [member] = settle(community, 1, joined=FIRST)
    ChurnScoreFactory(
        community=community, member=member, scored_on=ON + DAY, last_active_on=ON - 3 * DAY
    )

    assert measured(community)["at_risk_count"].value == 1
    assert measured(community, ON - 7 * DAY)["at_risk_count"].value is None


def test_retention_pools_the_latest_join_weeks_that_are_over(community):
    monday = date(2026, 2, 2)
    newcomers = settle(community, 30, joined=monday) + settle(
        community, 10, joined=monday + 6 * DAY
    )
    settle(community, 50, joined=date(2026, 3, 9))  # not five weeks ago
    measure(community, monday, ON)
    be_active(community, newcomers[:6], monday + 28 * DAY, monday + 34 * DAY)
    be_active(community, newcomers[6:9], monday + 35 * DAY)  # the fifth week of those
    be_active(community, newcomers[30:33], monday + 40 * DAY)  # the fourth of these

    figure = measured(community, days=60)["retention_week_4"]

    assert (figure.value, figure.n) == (pytest.approx(9 / 40), 40)


def test_kept_figures_are_read_back_and_compared(community):
    settle(community, 3, joined=FIRST)
    refresh_community(community, until=ON)
    settle(community, 2, joined=FIRST)  # known too late for what was kept
    unknown = CommunityFactory(enterprise=community.enterprise)

    [line] = compare_communities(community.enterprise.communities.all(), on=ON + 3 * DAY)

    assert {figure.name: figure.value for figure in figures_of(community, on=ON)}[
        "member_count"
    ] == 3
    assert (line.community_id, line.day) == (community.pk, ON)
    assert line.figures["member_count"].value == 3
    assert unknown.pk != line.community_id
    with override("en"):
        assert str(line.figures["dau"].note)


def test_health_compares_with_the_communitys_own_sundays(community):
    members = settle(community, 40, joined=ON - 80 * DAY)
    measure(community, ON - 80 * DAY, ON)
    for weeks_ago in range(10):  # more come every week
        day = ON - 7 * weeks_ago * DAY
        be_active(community, members, day)
        be_active(community, members[: 36 - 3 * weeks_ago], day - DAY)
    refresh_community(community, until=ON)

    health = health_of(community, on=ON)
    parts = {part.name: part for part in health.parts}

    assert parts["stickiness"].percentile == 1
    assert parts["interaction"].percentile is None
    assert "帖子" in str(parts["interaction"].note)
    assert "来源" in str(parts["first_reply"].note)
    assert parts["restraint"].percentile == pytest.approx(0.5)  # nobody has ever left
    assert health.score == pytest.approx(100 * (25 + 15 / 2) / 40)
    kept = CommunityDay.objects.get(community=community, day=ON).figures["health"]
    assert kept["value"] == pytest.approx(health.score)


def test_keeping_figures_takes_a_bounded_number_of_queries(
    community, django_assert_max_num_queries
):
    settle(community, 3, joined=FIRST)
    snapshot_days(community, first=FIRST, last=ON)

    with django_assert_max_num_queries(25):
        keep_figures(community, on=ON)


@pytest.mark.skipif(not CHAT_LOG.exists(), reason="the public chat log is not here")
def test_figures_of_the_public_chat_log_are_the_published_ones(community):
    """510 people speak in its last 28 days; the Gini coefficient of their messages is 0.744."""
    with gzip.open(CHAT_LOG, "rt") as lines:
        next(lines)  # day,user,msgs,…
        rows = [(int(day), user, int(count)) for day, user, count, *_ in csv.reader(lines)]
    last = max(day for day, _, _ in rows)
    recent = [row for row in rows if row[0] > last - 28]
    people = sorted({user for _, user, _ in recent})
    members = Member.objects.bulk_create(
        Member(enterprise=community.enterprise, external_id=user, nickname=user) for user in people
    )
    by_user = dict(zip(people, members, strict=True))
    MemberDay.objects.bulk_create(
        MemberDay(
            enterprise=community.enterprise,
            community=community,
            member=by_user[user],
            day=ON - (last - day) * DAY,
            message_count=count,
        )
        for day, user, count in recent
    )
    measure(community, FIRST, ON)

    figures = measured(community)

    assert figures["mau"].value == 510
    assert figures["message_gini"].value == pytest.approx(0.744, abs=0.001)
    assert figures["wau_mau"].value == pytest.approx(0.488, abs=0.06)
    assert figures["stickiness"].value == pytest.approx(0.167, abs=0.03)
    assert ActivityCoverage.objects.count() == 1
