"""When somebody is about to fall silent, and how such an alert ends.

An alert is raised for who was seen in the last RECENT_DAYS and either is likely enough to fall
silent or is among those with whom most would be lost (probability times value). It is decided
SILENT_DAYS after the last sign of life, so at least 14 days after it was raised.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from hashlib import md5

from campaigns.rules.status import AlertOutcome, AlertStatus

# Measured on eight years of one community: at 0.5 a quarter of the members is flagged, three of
# four who fall silent are caught at least 14 days before it is declared, and 88 % of the alerts
# are right. Lower catches more and is wrong more often.
PROBABILITY_THRESHOLD = 0.5

RECENT_DAYS = 14  # who was last seen longer ago is not "about to" fall silent any more
SILENT_DAYS = 28  # so many days without a sign of life are declared a loss
COOLDOWN_DAYS = 28  # after an alert was closed, the same member is left in peace
VALUE_DAYS = 365  # what a member is worth: net purchases of so many days
UNMEASURED_DAYS = 28  # how long after the deadline we wait for activity data before giving up


TOP_PERCENT = 10  # of those seen lately, by probability times value
HOLDOUT_PERCENT = 5  # nobody acts on these, so that it is known what acting does

type Span = tuple[date, date]

STATUS_OF_OUTCOME = {
    AlertOutcome.SAVED: AlertStatus.RECOVERED,
    AlertOutcome.LOST: AlertStatus.CHURNED,
    AlertOutcome.LEFT: AlertStatus.CHURNED,
    AlertOutcome.UNMEASURED: AlertStatus.EXPIRED,
    AlertOutcome.UNWATCHED: AlertStatus.DISMISSED,
}


def is_held_out(member_id: int, community_id: int, opened_on: date, *, percent: int) -> bool:
    """Whether nobody is to act on this alert: drawn by a hash, so that asking again, on any
    machine, gives the same. ``campaigns.services.churn_alerts`` draws alike in SQL."""
    text = f"winback:{member_id}:{community_id}:{opened_on.isoformat()}"
    digest = md5(text.encode(), usedforsecurity=False).hexdigest()
    return int(digest[:8], 16) % 100 < percent


def silence_is_declared_on(last_active_on: date) -> date:
    """The first day on which somebody counts as lost who was not seen again."""
    return last_active_on + timedelta(days=SILENT_DAYS)


def is_covered(spans: Iterable[Span], since: date, until: date) -> bool:
    """Whether one of the spans, in which somebody listened, reaches from one day to the other.
    What is heard late may still be on its way, so its end is taken as it is."""
    return any(first <= since and until <= last for first, last in spans)


def outcome_of(
    *,
    last_active_on: date,
    seen_again_on: date | None,
    left_on: date | None,
    is_measured: bool,
    on: date,
) -> AlertOutcome | None:
    """What became of the member of an alert, judged on the day ``on``; None while undecided.

    ``seen_again_on`` is the first sign of life after the day of the alert; ``is_measured`` says
    whether the activity of the community was measured from then to the day on which the silence is
    declared: silence counts only if somebody listened. The answer does not depend on how late the
    question is asked.
    """
    deadline = silence_is_declared_on(last_active_on)
    if seen_again_on is not None and seen_again_on < min(deadline, left_on or deadline):
        return AlertOutcome.SAVED
    if left_on is not None and left_on < deadline:
        return AlertOutcome.LEFT
    if on < deadline:
        return None
    if is_measured:
        return AlertOutcome.LOST
    if left_on is not None:
        return AlertOutcome.LEFT
    if on >= deadline + timedelta(days=UNMEASURED_DAYS):
        return AlertOutcome.UNMEASURED
    return None
