"""Decisions that need no database: when to try again, what a missed time means, where calls go."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.rules.retry import (
    CAP_SECONDS,
    FLOOR_SECONDS,
    MAX_RETRY_AFTER_SECONDS,
    TROUBLES_BEFORE_HOLDING,
    backoff,
    bounded_retry_after,
    hold,
)
from campaigns.rules.schedule import ON_TIME, judge_slot, late_in_words
from campaigns.rules.status import (
    BROADCAST_MOVES,
    BroadcastStatus,
    MisfirePolicy,
    broadcast_may_become,
    outcome_of_run,
)
from scrm.shared.addresses import is_loopback, is_public

GRACE = timedelta(minutes=60)


@given(attempt=st.integers(1, 10_000), chance=st.floats(0, 1))
def test_a_wait_lies_between_the_floor_and_the_cap(attempt, chance):
    seconds = backoff(attempt, chance=lambda: chance).total_seconds()

    assert FLOOR_SECONDS <= seconds <= CAP_SECONDS


def test_the_longest_wait_doubles_until_the_cap():
    longest = [backoff(attempt, chance=lambda: 1.0).total_seconds() for attempt in (1, 2, 3, 99)]

    assert longest == [2, 4, 8, CAP_SECONDS]


def test_a_run_waits_only_after_several_troubles_in_a_row():
    waits = [hold(troubles, chance=lambda: 1.0) for troubles in (1, 2, 3, 4, 99)]

    assert TROUBLES_BEFORE_HOLDING == 3
    assert waits == [None, None, *(timedelta(seconds=n) for n in (1, 2, 30))]


@pytest.mark.parametrize("seconds", [-1, 0, 1e9])
def test_a_platforms_wish_to_wait_is_bounded(seconds):
    assert FLOOR_SECONDS <= bounded_retry_after(seconds).total_seconds() <= MAX_RETRY_AFTER_SECONDS


@pytest.mark.parametrize(
    ("policy", "late_by", "verdict"),
    [
        (MisfirePolicy.SKIP, ON_TIME, "run"),
        (MisfirePolicy.SKIP, ON_TIME + timedelta(seconds=1), "skip"),
        (MisfirePolicy.RUN_LATE, GRACE, "run"),
        (MisfirePolicy.RUN_LATE, GRACE + timedelta(seconds=1), "skip"),
        (MisfirePolicy.ASK, ON_TIME, "run"),
        (MisfirePolicy.ASK, ON_TIME + timedelta(seconds=1), "ask"),
    ],
)
def test_a_missed_time_is_decided_by_the_policy(policy, late_by, verdict):
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    judged = judge_slot(now - late_by, now=now, policy=policy, grace=GRACE)

    assert judged.verdict == verdict
    assert bool(judged.reason) == (verdict != "run")


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (119, "119 分钟"),
        (120, "2 小时"),
        (1439, "23 小时"),
        (1440, "1 天"),
        (1517, "1 天 1 小时"),
    ],
)
def test_how_late_it_was_is_said_in_hours_and_days_from_two_hours_on(minutes, words):
    assert late_in_words(timedelta(minutes=minutes, seconds=59)) == words


def test_only_what_the_table_names_may_follow():
    moves = {
        (current, target)
        for current in BroadcastStatus
        for target in BroadcastStatus
        if broadcast_may_become(current, target)
    }

    assert moves == {(c, t) for c, targets in BROADCAST_MOVES.items() for t in targets}
    assert not {current for current, _ in moves} & {"completed", "cancelled"}
    after_failure = {pair for pair in moves if pair[0] in {"partially_completed", "failed"}}
    assert {target for _, target in after_failure} == {"running"}  # what failed is tried again


@pytest.mark.parametrize(
    ("delivered", "failed", "becomes"),
    [
        (0, 0, BroadcastStatus.COMPLETED),
        (5, 0, BroadcastStatus.COMPLETED),
        (5, 1, BroadcastStatus.PARTIALLY_COMPLETED),
        (0, 5, BroadcastStatus.FAILED),
    ],
)
def test_the_end_of_a_broadcast_follows_from_its_counts(delivered, failed, becomes):
    assert outcome_of_run(delivered=delivered, failed=failed) == becomes


NOT_PUBLIC = [
    "127.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2001:0:7f00:1::",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "ff02::1",
    "2001:db8::1",
    "localhost",
    "",
    "2130706433",
    "0177.0.0.1",
    "0x7f.1",
    "127.1",
    "１２７.0.0.1",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_address_inside_or_reserved_is_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2400:3200::1", "64:ff9b::808:808"])
def test_public_addresses_are(address):
    assert is_public(address)


def test_loopback_is_told_from_everything_else():
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("localhost")
