"""The scores on the archive of a real community, through the same functions as the product."""

import gzip
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from django.db import connection

from members.services.backtesting import backtest_churn
from members.services.staging import copy_lines
from tests.communities.factories import CommunityFactory
from tests.members.factories import ActivityCoverageFactory

CHAT = Path(__file__).resolve().parents[3] / "shared" / "data" / "chat_user_day.csv.gz"
ENDED = date(2026, 6, 1)  # the day after the last one of the archive, for us
pytestmark = pytest.mark.skipif(not CHAT.exists(), reason="the shared data are not here")


@pytest.fixture
def chat(db):
    """135,628 days of 5,464 people as days of members of one community."""
    community = CommunityFactory(enterprise__profiling_needs_consent=False)
    load(community)
    return community


def load(community):
    with gzip.open(CHAT, "rt") as file:
        next(file)
        rows = [[int(value) for value in line.split(",")[:4]] for line in file]
    shift = (ENDED - timedelta(days=1)).toordinal() - max(row[0] for row in rows)
    days = [date.fromordinal(row[0] + shift) for row in rows]
    ActivityCoverageFactory(
        community=community,
        covered_from=midnight(min(days), community),
        covered_to=midnight(ENDED, community),
    )
    home, place = community.enterprise_id, community.pk
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO members_member (enterprise_id, external_id, nickname, phone)"
            " SELECT %s, 'chat-' || n, '', '' FROM generate_series(0, %s) n RETURNING id",
            [home, max(row[1] for row in rows)],
        )
        ids = [pk for (pk,) in cursor.fetchall()]
        cursor.execute(
            "INSERT INTO members_membership"
            " (enterprise_id, community_id, member_id, source, leave_reason)"
            " SELECT %s, %s, id, 'api', '' FROM unnest(%s::bigint[]) id",
            [home, place, ids],
        )
        lines = (
            f"{home}\t{place}\t{ids[user]}\t{day}\t{messages}\t0\t0\t0\t0\t0\t{topics}\n"
            for day, (_day, user, messages, topics) in zip(days, rows, strict=True)
        )
        copy_lines(
            cursor,
            "members_memberday (enterprise_id, community_id, member_id, day, message_count,"
            " post_count, comment_count, checkin_count, click_count, other_count, thread_count)",
            lines,
        )
        cursor.execute("ANALYZE members_memberday, members_membership, members_member")


def midnight(day, community):
    return datetime.combine(day, time.min, tzinfo=community.enterprise.zone)


def test_a_real_community_is_scored_as_well_as_published(chat):
    """Walking forward a year, each quarter with what could have been learnt before it."""
    backtest = backtest_churn(chat, weeks=52, on=ENDED)

    figures, warnings = backtest.overall, backtest.warnings
    assert len(backtest.checks) == 52
    assert {check.model_version[:9] for check in backtest.checks} == {"backtest-"}
    assert figures["auc"] >= 0.84
    assert figures["auc"] >= figures["silence_auc"] + 0.10
    assert figures["brier"] <= 0.145
    assert figures["ece"] <= 0.03
    assert figures["at_10"]["lift"] >= 2.5
    assert warnings["caught"] >= 0.65
    assert warnings["long_caught"] >= 0.78
    assert warnings["notice_days"] >= 20
    assert warnings["precision"] >= 0.85
