"""Messages that a colleague has to confirm on the platform: when to ask what became of them, when
to remind, when to give up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

#: What nobody confirmed by then is no longer on offer.
LIFE = timedelta(days=30)
#: A colleague who has sent can leave chats out; what is not told by then was left out.
LEFT_OUT_AFTER = timedelta(hours=24)
#: What is stopped after the colleague's tap may still be on its way for so long.
STOPPED_AFTER = timedelta(minutes=10)
#: From then on somebody is asked to talk to the colleague.
UNCONFIRMED_AFTER = timedelta(hours=24)

#: WeCom, page 97610.
REMINDERS_A_DAY = 3
DAY = timedelta(hours=24)

#: Most tap within the hour, nearly all others on the same day: until this age, this often.
CADENCE = (
    (timedelta(hours=1), timedelta(minutes=2)),
    (timedelta(hours=6), timedelta(minutes=15)),
    (timedelta(days=3), timedelta(hours=1)),
)
SLOWEST = timedelta(hours=6)


def pause_after(age: timedelta) -> timedelta:
    """How long to wait before the platform is asked again about something of this age."""
    for until, pause in CADENCE:
        if age < until:
            return pause
    return SLOWEST


def next_look(
    *,
    now: datetime,
    submitted_at: datetime,
    confirmed_at: datetime | None,
    hours: Sequence[int],
) -> timedelta:
    """Until the next look: by the age of the last thing known, but neither a reminder nor the end
    is missed."""
    wait = pause_after(now - (confirmed_at or submitted_at))
    moments = [submitted_at + LIFE]
    if confirmed_at is None:
        moments += [submitted_at + timedelta(hours=each) for each in hours]
    else:
        moments.append(confirmed_at + LEFT_OUT_AFTER)
    ahead = [moment - now for moment in moments if moment > now]
    return min([wait, *ahead])


def reminder_is_due(
    *, now: datetime, submitted_at: datetime, hours: Sequence[int], reminded_at: Sequence[datetime]
) -> bool:
    """Whether one of the hours has come since the last reminder."""
    passed = [submitted_at + timedelta(hours=each) for each in hours]
    latest = max((moment for moment in passed if moment <= now), default=None)
    return latest is not None and not any(moment >= latest for moment in reminded_at)


def may_remind(*, now: datetime, reminded_at: Sequence[datetime]) -> bool:
    """Whether the platform still takes a reminder: at most three in 24 hours."""
    return sum(moment > now - DAY for moment in reminded_at) < REMINDERS_A_DAY


def is_expired(*, now: datetime, submitted_at: datetime) -> bool:
    return now >= submitted_at + LIFE
