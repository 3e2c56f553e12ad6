"""The pages of insight: what they say, to whom, and what they do not pretend to know."""

from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns.selectors.community_funnels import CommunityFunnel, FunnelStep, Step
from communities.metrics import COMMUNITY_METRICS
from members.models import CommunityDay
from members.rules.insight import as_kept
from members.selectors.heat import HeatMap
from members.selectors.paths import Path
from members.selectors.retention import Cohort
from scrm.accounts.rules.roles import DataScope
from scrm.desk.charts import Series, line_chart
from scrm.desk.insight.cards import alarm_of, card_of, figure_in_words
from scrm.desk.insight.comparing import COLUMNS
from scrm.desk.insight.pages import ACTIVITY, CONVERSION, OVERVIEW
from scrm.desk.insight.tables import cohort_rows, funnel_rows, heat_table, path_rows
from scrm.shared.figures import Better, Figure, FigureDefinition, FigureUnit
from tests.accounts.factories import EnterpriseFactory, UserFactory
from tests.communities.factories import CommunityFactory

DAY = timedelta(days=1)


def definition(unit=FigureUnit.SHARE, better=Better.UP):
    return FigureDefinition("sample", "样子", unit, "来源", "定义。", better=better)


# --- words ---


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (None, FigureUnit.SHARE, "—"),
        (0.0, FigureUnit.SHARE, "0.0%"),
        (0.98, FigureUnit.SHARE, "98.0%"),
        (0.0084, FigureUnit.SHARE, "0.84%"),
        (123_456, FigureUnit.MONEY, "¥1,235"),
        (1_250, FigureUnit.MONEY, "¥12.50"),
        (1234, FigureUnit.PEOPLE, "1,234"),
        (3.25, FigureUnit.PEOPLE, "3.2"),
        (0.744, FigureUnit.INDEX, "0.74"),
        (61.6, FigureUnit.SCORE, "62"),
        (3, FigureUnit.DAYS, "3 天"),
    ],
)
def test_a_figure_is_said_in_its_unit(value, unit, words):
    assert figure_in_words(value, unit) == words


@pytest.mark.parametrize(
    ("better", "now", "before", "tone"),
    [
        (Better.UP, 0.3, 0.2, "good"),
        (Better.UP, 0.2, 0.3, "bad"),
        (Better.DOWN, 0.3, 0.2, "bad"),
        (Better.NEITHER, 0.3, 0.2, "flat"),
        (Better.UP, 0.2, 0.2, "flat"),
    ],
)
def test_a_change_is_good_or_bad_as_the_definition_says(better, now, before, tone):
    card = card_of(definition(better=better), Figure("sample", now), Figure("sample", before))

    assert card.tone == tone


def test_without_a_former_figure_there_is_no_change():
    card = card_of(definition(), Figure("sample", 0.3), None)

    assert card.change == ""
    assert card.hint == "定义（来源：来源，定义第 1 版）"


def test_sixty_of_a_hundred_adverts_are_not_red_and_sixty_one_are():
    assert alarm_of("advert_share", 0.60) == "warning"
    assert alarm_of("advert_share", 0.61) == "danger"
    assert alarm_of("advert_share", 0.30) == ""


def test_every_figure_on_a_page_is_registered():
    names = {*OVERVIEW, *ACTIVITY, *CONVERSION, *COLUMNS}

    assert names <= {one.name for one in COMMUNITY_METRICS}


def test_a_value_between_two_gaps_is_a_point_because_it_has_no_line():
    chart = line_chart(["a", "b", "c", "d"], [Series("x", [None, 3, None, 4])])

    assert '"pointRadius": [0, 2, 0, 2]' in chart.data
    assert not chart.is_empty


# --- tables ---


def heat_of(**slots):
    cells = [[None] * 24 for _ in range(7)]
    for name, value in slots.items():
        weekday, hour = name.removeprefix("at_").split("_")
        cells[int(weekday)][int(hour)] = value
    until = date(2026, 3, 1)
    return HeatMap(tuple(map(tuple, cells)), until - 55 * DAY, until, 8, 56)


def test_a_heat_map_is_darkest_where_most_are_awake_and_grey_where_few_are():
    table = heat_table(heat_of(at_0_20=42.0, at_0_21=0.5, at_3_9=0.0))
    monday, thursday = table.rows[0][1], table.rows[3][1]

    assert (monday[20].level, monday[21].level, thursday[9].level) == (5, 1, 0)
    assert monday[0].level == -1
    assert "不足 5 人" in monday[0].words
    assert "20 点" in table.peak


def test_a_heat_map_of_nothing_has_no_peak():
    table = heat_table(heat_of())

    assert table.is_empty
    assert table.peak == ""


def test_a_cohort_shows_no_number_where_its_days_are_not_over():
    rows = cohort_rows([Cohort(date(2026, 2, 2), 40, [0.5, None], [20, None])])

    assert [cell.text for cell in rows[0].cells] == ["50", ""]
    assert "20 人活跃，50.0%" in rows[0].cells[0].words


def test_a_path_is_told_in_words():
    rows = path_rows([Path(("joined", "spoke"), 3, 0.75), Path((), 1, 0.25)])

    assert rows[0].steps == ["入群", "发言"]
    assert (rows[1].steps, rows[1].share) == ([], "25.0%")


def test_an_order_is_compared_with_interactions_and_not_with_shares():
    steps = [
        FunnelStep(step, count, count)
        for step, count in zip(Step, (200, 160, 80, 40, 4, 10), strict=True)
    ]

    rows = funnel_rows(CommunityFunnel(1, 72, steps))

    assert [row.rate for row in rows] == ["—", "80.0%", "50.0%", "50.0%", "10.0%", "25.0%"]


def test_a_step_that_nobody_measured_has_no_rate():
    steps = [FunnelStep(Step.DELIVERED, 5, 5), FunnelStep(Step.CLICKED, None, None)]

    assert funnel_rows(CommunityFunnel(1, 72, steps))[1].rate == "—"


# --- pages ---


@pytest.fixture
def enterprise(db):
    return EnterpriseFactory()


@pytest.fixture
def community(enterprise):
    return CommunityFactory(enterprise=enterprise, name="猫咪群")


@pytest.fixture
def administrator(enterprise):
    return UserFactory(enterprise=enterprise)


def yesterday(community):
    return timezone.now().astimezone(community.enterprise.zone).date() - DAY


def day_of(community, day, **values):
    counts = {"member_count_start": 40, "joined_count": 2, "left_count": 1, "member_count_end": 41}
    figures = values.pop("figures", {})
    return CommunityDay.objects.create(
        community=community,
        enterprise=community.enterprise,
        day=day,
        figures=as_kept(figures, COMMUNITY_METRICS),
        **{**counts, "is_measured": True, "active_count": 9, **values},
    )


def page_of(client, user, community, **query):
    client.force_login(user)
    url = reverse("admin:members_communityday_insight", args=[community.pk])
    return client.get(url, query)


@pytest.mark.parametrize("tab", ["overview", "activity", "conversion", "%00"])
def test_a_community_of_which_nothing_is_known_has_a_page_that_says_so(
    client, administrator, community, tab
):
    response = page_of(client, administrator, community, tab=tab, days="nonsense")

    text = response.content.decode()
    assert response.status_code == 200
    assert "还没有这段时间的快照" in text
    assert "没有数据的日子是空缺" not in text


def test_a_page_says_figures_with_their_definitions_and_how_they_moved(
    client, administrator, community
):
    last = yesterday(community)
    sticky = {"stickiness": Figure("stickiness", 0.167)}
    day_of(community, last, figures=sticky)
    day_of(community, last - 28 * DAY, figures={"stickiness": Figure("stickiness", 0.10)})

    response = page_of(client, administrator, community, tab="activity")

    cards = {card.name: card for card in response.context["cards"]}
    assert cards["stickiness"].value == "16.7%"
    assert "+6.7 个百分点" in cards["stickiness"].change
    assert "近 28 天日活跃的平均值" in response.content.decode()


def test_a_day_that_nobody_measured_is_a_gap_in_the_chart(client, administrator, community):
    last = yesterday(community)
    day_of(community, last, active_count=7)
    day_of(community, last - DAY, is_measured=False, active_count=None)

    response = page_of(client, administrator, community)

    assert "null, 7]" in response.context["actives_chart"].data
    assert response.context["measured"] == 1


def test_days_on_which_only_colleagues_spoke_are_counted(client, administrator, community):
    last = yesterday(community)
    day_of(community, last, message_count=0, staff_message_count=4)
    day_of(community, last - DAY, message_count=2, staff_message_count=4)

    response = page_of(client, administrator, community, tab="activity")

    assert response.context["owner_only"] == 1


def test_a_community_out_of_sight_has_no_page(client, enterprise, community):
    stranger = UserFactory(enterprise=enterprise, data_scope=DataScope.OWN_COMMUNITIES)
    foreign = UserFactory()

    assert page_of(client, stranger, community).status_code == 404
    assert page_of(client, foreign, community).status_code == 404


@pytest.mark.parametrize("wrong", ["abc", "0", "9" * 30, "%00", "٣"])
def test_an_address_without_a_community_is_not_found(client, administrator, wrong):
    client.force_login(administrator)
    url = reverse("admin:members_communityday_compare")

    assert client.get(f"{url}{wrong}/").status_code == 404


def compared(client, user, **query):
    client.force_login(user)
    return client.get(reverse("admin:members_communityday_compare"), query)


def test_communities_are_sorted_by_a_figure_and_those_without_it_come_last(
    client, administrator, enterprise
):
    for name, share in (("甲", 0.1), ("乙", 0.3), ("丙", None)):
        one = CommunityFactory(enterprise=enterprise, name=name)
        if share is not None:
            kept = {"stickiness": Figure("stickiness", share)}
            day_of(one, yesterday(one), figures=kept)
    CommunityFactory(name="别家的")

    rows = compared(client, administrator, sort="-stickiness").context["rows"]

    assert [row.name for row in rows] == ["乙", "甲", "丙"]
    turned = compared(client, administrator, sort="stickiness").context["rows"]
    assert [row.name for row in turned] == ["甲", "乙", "丙"]


def test_comparing_costs_the_same_however_many_communities_there_are(
    client, administrator, enterprise, django_assert_max_num_queries
):
    for one in CommunityFactory.create_batch(4, enterprise=enterprise):
        day_of(one, yesterday(one), figures={"health": Figure("health", 50)})
    compared(client, administrator)

    with django_assert_max_num_queries(30):
        response = compared(client, administrator, sort="junk", page="x")

    assert response.status_code == 200


def test_much_activity_without_orders_is_said(client, administrator, community):
    shares = {"active_share": 0.98, "buyer_share": 0.008, "gmv": 120_000, "clv": 4_000_000}
    kept = {name: Figure(name, value) for name, value in shares.items()}
    day_of(community, yesterday(community), figures=kept)

    said = "".join(page_of(client, administrator, community, tab="conversion").context["verdicts"])

    assert "98.0% 的成员活跃，0.80% 下过单" in said
    assert "几乎没有成交" in said
    assert "成交 ¥1,200；" in said
    assert "¥40,000" in said


def test_the_desk_names_the_communities_of_the_lowest_health(client, administrator, enterprise):
    for name, health in (("好的", 80), ("差的", 20), ("不知道的", None)):
        one = CommunityFactory(enterprise=enterprise, name=name)
        day_of(one, yesterday(one), figures={"health": Figure("health", health)})
    client.force_login(administrator)

    rows = client.get(reverse("admin:index")).context["weakest"]

    assert [(row.name, row.cards[0].value) for row in rows] == [("差的", "20"), ("好的", "80")]


def test_insight_is_an_entry_of_its_own_in_the_sidebar(client, administrator, community):
    def active(response):
        groups = response.context["sidebar_navigation"]
        items = [item for group in groups for item in group["items"]]
        return [str(item["title"]) for item in items if item["active"]]

    assert active(compared(client, administrator)) == ["社群洞察"]
    assert active(page_of(client, administrator, community)) == ["社群洞察"]


def test_the_page_of_a_community_leads_to_its_insight(client, administrator, community):
    client.force_login(administrator)
    url = reverse("admin:communities_community_change", args=[community.pk])

    text = client.get(url).content.decode()

    assert reverse("admin:members_communityday_insight", args=[community.pk]) in text
