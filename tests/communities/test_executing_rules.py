"""What is decided about items without a database: by answer, by reading, by result."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from communities.rules.transfer_answers import (
    OTHER_ROUTE,
    Answer,
    Sent,
    verdict_on_answer,
    verdict_on_refused_call,
)
from communities.rules.transfer_readings import (
    Seen,
    look_at_chat,
)
from communities.rules.transfer_results import (
    Handed,
    Result,
    verdict_on_result,
)
from communities.rules.transfer_verdicts import (
    MOST_ATTEMPTS,
    SETTLED_AFTER,
)
from communities.rules.transfer_words import REASONS
from communities.rules.transfers import ITEM_MOVES, ItemState, Route, Subject
from scrm.wecom.client.codes import CODES

SENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON, LATER = SENT + timedelta(seconds=5), SENT + timedelta(seconds=30)


def sent(subject=Subject.CHAT, route=Route.ON_JOB, reason="", attempt_count=1):
    return Sent(subject, route, SENT, attempt_count, reason)


def seen(state=ItemState.UNKNOWN, *, owner="giver", read_at=None, **fields):
    accepted_at = SENT + timedelta(seconds=1) if state == ItemState.ACCEPTED else None
    known = {"attempt_count": 1, "code": None, "reason": "", "is_dissolved": False, **fields}
    return Seen(
        state=state, sent_at=SENT, accepted_at=accepted_at, owner=owner, read_at=read_at, **known
    )


def handed(state=ItemState.UNKNOWN, **fields):
    accepted_at = SENT if state == ItemState.ACCEPTED else None
    known = {"attempt_count": 1, "code": None, "takeover_at": None, **fields}
    return Handed(state=state, sent_at=SENT, accepted_at=accepted_at, **known)


# --- whatever the platform says -------------------------------------------------------------------


@pytest.mark.parametrize("subject", [Subject.CHAT, Subject.CUSTOMER])
@pytest.mark.parametrize("route", [Route.ON_JOB, Route.RESIGNED])
@pytest.mark.parametrize("reason", ["", "sent_again", "route_changed"])
def test_every_code_leads_somewhere_an_item_may_go_and_has_words(subject, route, reason):
    for code in [*CODES, 424242]:
        answer = Answer(False, code, "told", code in CODES)
        for verdict in (
            verdict_on_answer(sent(subject, route, reason), answer, now=SOON),
            verdict_on_refused_call(sent(subject, route, reason), answer, alone=True),
            verdict_on_refused_call(sent(subject, route, reason), answer, alone=False),
        ):
            assert verdict.state in ITEM_MOVES[ItemState.SENDING]
            assert verdict.reason in REASONS or verdict.state == ItemState.ACCEPTED
            assert (verdict.wait is None) == (verdict.state in {"failed", "gone"})
            assert verdict.code == code


def test_an_item_about_which_nothing_is_said_is_of_unknown_outcome():
    verdict = verdict_on_answer(sent(), Answer(accepted=False, code=0), now=SOON)
    assert (verdict.state, verdict.reason) == (ItemState.UNKNOWN, "looking_up")


def test_what_may_have_been_done_is_remembered_through_a_refusal_that_passes():
    verdict = verdict_on_answer(
        sent(Subject.CUSTOMER, reason="sent_again"), Answer(False, -1), now=SOON
    )
    assert (verdict.state, verdict.reason) == (ItemState.QUEUED, "sent_again")


def test_the_route_changes_once():
    for code, route in OTHER_ROUTE.items():
        other = Route.RESIGNED if route == Route.ON_JOB else Route.ON_JOB
        first = verdict_on_answer(sent(route=other), Answer(False, code), now=SOON)
        assert (first.state, first.route) == (ItemState.QUEUED, route)
        again = sent(route=other, reason="route_changed")
        assert verdict_on_answer(again, Answer(False, code), now=SOON).state == "failed"
        assert verdict_on_answer(sent(route=route), Answer(False, code), now=SOON).state == "failed"


# --- readings -------------------------------------------------------------------------------------


def test_nothing_is_repeated_before_a_reading_that_is_fresh_enough():
    for read_at in (None, SENT - timedelta(days=1), SOON, SENT + SETTLED_AFTER):
        look = look_at_chat(seen(read_at=read_at), now=LATER)
        assert look.verdict is None
        assert look.read_in is not None
    fresh = look_at_chat(seen(read_at=LATER), now=LATER)
    assert (fresh.verdict.state, fresh.verdict.reason) == (ItemState.QUEUED, "sent_again")


def test_the_receiver_as_owner_before_it_was_sent_proves_nothing():
    look = look_at_chat(seen(owner="receiver", read_at=SENT), now=LATER)
    assert look.verdict is None


def test_an_attempt_too_many_is_a_failure():
    look = look_at_chat(seen(read_at=LATER, attempt_count=MOST_ATTEMPTS), now=LATER)
    assert (look.verdict.state, look.verdict.reason) == (ItemState.FAILED, "no_answer")


instants = st.integers(-3600, 5 * 86_400).map(lambda seconds: SENT + timedelta(seconds=seconds))


@settings(max_examples=150)
@given(
    state=st.sampled_from([ItemState.UNKNOWN, ItemState.ACCEPTED]),
    owner=st.sampled_from(["receiver", "giver", "other", ""]),
    read_at=st.none() | instants,
    attempts=st.integers(1, 12),
    code=st.none() | st.just(40050),
    reason=st.sampled_from(["", "last_look"]),
    gone=st.booleans(),
    now=instants,
)
def test_whatever_is_read_only_the_receiver_verifies_and_nothing_waits_for_ever(
    state, owner, read_at, attempts, code, reason, gone, now
):
    item = seen(
        state,
        owner=owner,
        read_at=read_at,
        attempt_count=attempts,
        code=code,
        reason=reason,
        is_dissolved=gone,
    )
    look = look_at_chat(item, now=now)
    if look.verdict is None:
        assert 4 <= look.wait <= 7200
        assert now <= SENT + timedelta(hours=73)
        return
    if look.verdict.reason == "last_look":
        assert reason != "last_look"
        assert look.read_in == 0
        return
    assert look.verdict.state in ITEM_MOVES[state]
    assert look.verdict.reason in {"", *REASONS}
    if look.verdict.state == ItemState.VERIFIED:
        assert owner == "receiver"
        assert read_at > SENT
    if look.verdict.state == ItemState.QUEUED:
        assert state == ItemState.UNKNOWN
        assert owner != "receiver"
        assert read_at > SENT + SETTLED_AFTER


# --- results --------------------------------------------------------------------------------------


def test_an_older_result_between_the_same_two_is_not_ours():
    done = Result(1, SENT - timedelta(days=60))
    for state, expected in (
        (ItemState.UNKNOWN, (ItemState.QUEUED, "sent_again")),
        (ItemState.ACCEPTED, (ItemState.ACCEPTED, "")),
    ):
        verdict = verdict_on_result(handed(state), done, now=LATER)
        assert (verdict.state, verdict.reason) == expected


def test_a_result_is_believed_absent_only_some_time_after_sending():
    assert verdict_on_result(handed(), None, now=SOON).state == ItemState.UNKNOWN
    assert verdict_on_result(handed(), None, now=LATER).state == ItemState.QUEUED
    assert verdict_on_result(handed(), Result(5), now=LATER).state == ItemState.QUEUED


def test_who_waits_is_asked_about_hourly_and_when_the_day_is_over():
    def wait(hours):
        takeover_at = SENT + timedelta(hours=hours)
        item = handed(ItemState.ACCEPTED, takeover_at=takeover_at)
        return verdict_on_result(item, Result(2, takeover_at), now=SENT).wait

    assert wait(24) == 3600
    assert wait(0.5) == 1805
    assert wait(0) == 20
    assert wait(-1) == 600
