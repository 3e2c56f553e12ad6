"""What the nights have made of it: what members are worth, how communities did day by day, how
right the scores of past weeks were. By the verbs of the nightly runs, on days of the past."""

from __future__ import annotations

from datetime import date, timedelta

from communities.models import Community
from members.models import CommunityDay, ScoreCheck
from members.services.backtesting import backtest_churn
from members.services.checking_scores import check_community
from members.services.snapshot_runs import keep_figures
from members.services.snapshots import snapshot_days
from members.services.values import value_enterprise
from scrm.demo.founding import Founded

WEEK = timedelta(days=7)
#: So many Mondays ago the first scores were made that are checked by now.
FIRST_MONDAY = 6
WEEKS_TESTED = 8
#: The communities whose past weeks are shown as trends.
WATCHED = ("planet", "corgi")
SUNDAYS = 8
WEEKS_KEPT, FOUR_WEEKS = 20, 4


def mondays(founded: Founded) -> list[date]:
    """Of the last weeks, the oldest first, without today."""
    today = founded.now.date()
    latest = today - timedelta(days=(today.weekday() - 1) % 7 + 1)
    return [latest - WEEK * ago for ago in range(FIRST_MONDAY - 1, -1, -1)]


def value_people(founded: Founded, *, on: date) -> int:
    return value_enterprise(founded.enterprise, on=on).valued


def see_how_right_it_was(founded: Founded) -> int:
    """The scores that were said and are decided by now, and for the largest community also what
    would have been said in the weeks before."""
    today = founded.now.date()
    for community in founded.communities.values():
        check_community(community, on=today)
    backtest_churn(founded.communities["planet"], weeks=WEEKS_TESTED, on=today)
    return ScoreCheck.objects.filter(enterprise=founded.enterprise).count()


def look_back(founded: Founded) -> int:
    """The days of every community until yesterday, with the figures that its page shows."""
    yesterday = founded.now.date() - timedelta(days=1)
    for code, community in founded.communities.items():
        row = Community.objects.select_related("enterprise").get(pk=community.pk)
        for weeks in range(WEEKS_KEPT, 0, -FOUR_WEEKS):
            first = yesterday - WEEK * weeks + timedelta(days=1)
            snapshot_days(row, first=first, last=first + WEEK * FOUR_WEEKS - timedelta(days=1))
        days = {yesterday, *(_sundays(yesterday) if code in WATCHED else ())}
        for day in sorted(days):
            keep_figures(row, on=day)
    return CommunityDay.objects.filter(enterprise=founded.enterprise).count()


def _sundays(until: date) -> list[date]:
    latest = until - timedelta(days=(until.weekday() + 1) % 7)
    return [latest - WEEK * ago for ago in range(SUNDAYS)]
