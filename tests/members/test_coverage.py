from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from threading import Barrier

import pytest
from django.db import connection, connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from members.models import ActivityCoverage
from members.rules.activity import COVERAGE_GAP, periods_of
from members.services.coverage import Covered, Span, cover, extend_coverage, is_covered
from tests.communities.factories import CommunityFactory

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def at(days):
    return START + days * DAY


def covered(community, *spans, source="app"):
    periods = [Covered(community, at(since), at(until)) for since, until in spans]
    extend_coverage(periods, source=source)


def periods(community, source="app"):
    rows = ActivityCoverage.objects.filter(community=community, source=source)
    return [
        ((row.covered_from - START) / DAY, (row.covered_to - START) / DAY)
        for row in rows.order_by("covered_from")
    ]


@pytest.fixture
def community(db):
    return CommunityFactory()


def test_a_source_that_paused_has_two_periods(community):
    covered(community, (0, 2))
    covered(community, (10, 11))

    assert periods(community) == [(0, 2), (10, 11)]
    assert is_covered(community.pk, at(0), at(2))
    assert not is_covered(community.pk, at(2), at(10))


def test_periods_closer_than_the_gap_grow_together(community):
    covered(community, (0, 1), (7, 8), (4, 4))

    assert periods(community) == [(0, 8)]


def test_a_little_further_than_the_gap_they_stay_apart(community):
    covered(community, (0, 1), (4.001, 5))

    assert periods(community) == [(0, 1), (4.001, 5)]


def test_one_period_may_swallow_many(community):
    covered(community, (0, 1), (10, 11), (20, 21), (90, 91))
    kept = ActivityCoverage.objects.order_by("pk").first()

    covered(community, (2, 19))

    assert periods(community) == [(0, 21), (90, 91)]
    assert ActivityCoverage.objects.order_by("pk").first() == kept


def test_sources_and_communities_do_not_mix(community):
    other = CommunityFactory()
    covered(community, (0, 1))
    covered(community, (1, 2), source="crm")
    covered(other, (1, 2))

    assert periods(community) == [(0, 1)]


def test_what_is_known_writes_nothing(community, django_assert_num_queries):
    covered(community, (0, 10))

    with django_assert_num_queries(0):  # the prepared question is not counted
        cover([Span(community.pk, at(1), at(2))], source="app")


PIECES = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([0, 0, 0, 0.5, 2, 5])), min_size=1, max_size=8
)


@pytest.mark.django_db
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pieces=PIECES, cuts=st.lists(st.integers(0, 8), max_size=3))
def test_periods_do_not_depend_on_the_order_of_arrival(pieces, cuts):
    community = CommunityFactory()
    spans = [(since, since + length) for since, length in pieces]
    borders = [0, *sorted(cuts), len(spans)]
    for first, last in pairwise(borders):
        covered(community, *spans[first:last])

    expected = []
    for since, until in sorted(spans):
        if expected and since - expected[-1][1] <= COVERAGE_GAP / DAY:
            expected[-1] = expected[-1][0], max(expected[-1][1], until)
        else:
            expected.append((since, until))
    assert periods(community) == expected
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.django_db(transaction=True)
def test_two_that_come_close_from_both_sides_at_once_grow_together():
    community = CommunityFactory()
    together = Barrier(2, timeout=20)

    def work(number):
        try:
            for week in range(8):
                start = 20 * week
                together.wait()
                covered(community, (start + 3 * number, start + 3 * number))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))

    assert periods(community) == [(20 * week, 20 * week + 3) for week in range(8)]


def test_instants_make_periods():
    assert periods_of([at(5), at(0), at(2), at(20)]) == [(at(0), at(5)), (at(20), at(20))]
    assert periods_of([]) == []
