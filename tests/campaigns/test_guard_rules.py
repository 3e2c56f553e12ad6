"""Shares, quiet hours and windows, as plain decisions."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from campaigns.rules.guards import (
    advert_would_be_too_much,
    is_over,
    quiet_until,
    window_begins,
)
from campaigns.rules.reasons import REASONS, ReasonKind, reason_kind, reason_words

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")


def quiet(now, start, end, zone=SHANGHAI):
    return quiet_until(now, quiet_from=start, quiet_until=end, zone=zone)


def test_sixty_of_a_hundred_is_not_over_sixty_percent():
    assert not is_over(60, 100, 60)
    assert is_over(61, 100, 60)
    assert not is_over(0, 0, 0)


@pytest.mark.parametrize(
    ("adverts", "posts", "expected"), [(59, 99, False), (60, 99, True), (60, 100, True)]
)
def test_one_more_advert_is_counted_before_it_is_sent(adverts, posts, expected):
    arguments = {"adverts": adverts, "posts": posts, "limit_percent": 60, "minimum_posts": 5}

    assert advert_would_be_too_much(**arguments) is expected


def test_a_share_of_a_few_messages_says_nothing():
    arguments = {"adverts": 3, "posts": 3, "limit_percent": 60}

    assert not advert_would_be_too_much(minimum_posts=5, **arguments)
    assert advert_would_be_too_much(minimum_posts=4, **arguments)


def test_quiet_hours_go_over_midnight():
    evening = datetime(2026, 3, 1, 23, 30, tzinfo=SHANGHAI)
    morning = datetime(2026, 3, 2, 7, 59, 59, tzinfo=SHANGHAI)
    ends = datetime(2026, 3, 2, 8, tzinfo=SHANGHAI)

    assert quiet(evening, time(22), time(8)) == ends
    assert quiet(morning, time(22), time(8)) == ends
    assert quiet(ends, time(22), time(8)) is None
    assert quiet(datetime(2026, 3, 1, 21, 59, tzinfo=SHANGHAI), time(22), time(8)) is None


def test_quiet_hours_within_a_day_and_none_at_all():
    noon = datetime(2026, 3, 1, 12, 30, tzinfo=SHANGHAI)

    assert quiet(noon, time(12), time(14)) == datetime(2026, 3, 1, 14, tzinfo=SHANGHAI)
    assert quiet(noon, None, None) is None
    assert quiet(noon, time(12), time(12)) is None


def test_quiet_hours_that_end_in_the_hour_skipped_end_after_the_gap():
    before = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)  # 1:30 in Berlin; 2:00 becomes 3:00

    assert quiet(before, time(22), time(2, 30), BERLIN) == datetime(2026, 3, 29, 1, tzinfo=UTC)


def test_quiet_hours_in_the_hour_that_comes_twice_cover_both():
    first, second = (datetime(2026, 11, 1, hour, 15, tzinfo=UTC) for hour in (5, 6))
    ends = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)  # 1:30 in New York for the second time

    assert quiet(first, time(22), time(1, 30), NEW_YORK) == ends
    assert quiet(second, time(22), time(1, 30), NEW_YORK) == ends


def test_a_window_has_today_among_its_days():
    now = datetime(2026, 3, 10, 0, 30, tzinfo=SHANGHAI)

    assert window_begins("day", now, zone=SHANGHAI) == datetime(2026, 3, 10, tzinfo=SHANGHAI)
    assert window_begins("week", now, zone=SHANGHAI) == datetime(2026, 3, 4, tzinfo=SHANGHAI)
    assert window_begins("month", now, zone=SHANGHAI) == datetime(2026, 2, 9, tzinfo=SHANGHAI)


def test_every_reason_has_words_and_says_whether_trying_again_makes_sense():
    assert all(reason_words(code) != code for code in REASONS)
    assert reason_words("something new") == "something new"
    assert reason_kind("no_answer") is ReasonKind.TRANSIENT
    assert reason_kind("render_empty") is ReasonKind.PERMANENT
    assert reason_kind("blocked") is ReasonKind.SUPPRESSED
    assert reason_kind("wecom_45009") is ReasonKind.TRANSIENT
    assert reason_kind("wecom_84061") is ReasonKind.PERMANENT
