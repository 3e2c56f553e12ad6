"""When somebody is about to fall silent, and how such an alert ends.

An alert is raised for who was seen in the last RECENT_DAYS and whose probability of falling
silent reaches PROBABILITY_THRESHOLD; it is decided SILENT_DAYS after the last sign of life.
"""

from __future__ import annotations

from datetime import date, timedelta

from campaigns.rules.status import AlertStatus

# Measured on eight years of one community: at 0.5 a quarter of the members is flagged, three of
# four who fall silent are caught at least 14 days before it is declared, and 88 % of the alerts
# are right. Lower catches more and is wrong more often.
PROBABILITY_THRESHOLD = 0.5

RECENT_DAYS = 14  # who was last seen longer ago is not "about to" fall silent any more
SILENT_DAYS = 28  # so many days without a sign of life are declared a loss
COOLDOWN_DAYS = 28  # after an alert was closed, the same member is left in peace
VALUE_DAYS = 365  # what a member is worth: net purchases of so many days
UNMEASURED_DAYS = 28  # how long after the deadline we wait for activity data before giving up


def silence_is_declared_on(last_active_on: date) -> date:
    """The first day on which somebody counts as lost who was not seen again."""
    return last_active_on + timedelta(days=SILENT_DAYS)


def outcome_of(
    *,
    last_active_on: date,
    seen_again_on: date | None,
    left_on: date | None,
    measured_to: date | None,
    on: date,
) -> AlertStatus | None:
    """How an open alert ends, judged on the day ``on``; None while it is still undecided.

    ``seen_again_on`` is the first sign of life after the day of the alert and ``measured_to`` the
    last day on which the activity of the community was measured: silence counts only if somebody
    listened. The answer does not depend on how late the question is asked.
    """
    deadline = silence_is_declared_on(last_active_on)
    if seen_again_on is not None and seen_again_on < min(deadline, left_on or deadline):
        return AlertStatus.RECOVERED
    if left_on is not None:
        return AlertStatus.CHURNED
    if on < deadline:
        return None
    if seen_again_on is not None or (measured_to is not None and measured_to >= deadline):
        return AlertStatus.CHURNED
    if on >= deadline + timedelta(days=UNMEASURED_DAYS):
        return AlertStatus.EXPIRED
    return None
