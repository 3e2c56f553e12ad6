"""Measuring members against a ladder of tiers and writing what follows, in one statement.

The statement is ``members.rules.tiering.decide`` for many at once; a property test holds the two
together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from communities.models import Tier, TierScheme
from members.criteria import Among, Measuring
from members.metrics import Moment
from members.rules.standing import TierCause
from members.rules.tiering import keep_criterion
from scrm.shared.criteria import Criterion, parse_criterion
from scrm.shared.sql import Sql, joined, sql

NOTHING_ASKED = Sql("'[]'::jsonb")
# OFFSET 0 keeps each expression from being written out, and measured, wherever it is named.
VERDICTS = """
    SELECT m.id AS member_id, held.id AS held_id, held.started_at AS held_from, verdict.change,
           {earned_tier} AS tier_id, {clauses} AS clauses, {end_clauses} AS end_clauses
    {source}
    LEFT JOIN (
        SELECT * FROM members_tierassignment current
        WHERE current.scheme_id = {scheme} AND current.ended_at IS NULL{measured}
    ) held ON held.member_id = m.id
    CROSS JOIN LATERAL (
        SELECT {earned} AS earned, {keeps} AS keeps, {rank} AS rank, {grace} AS grace OFFSET 0
    ) look
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN held.is_locked THEN NULL
            WHEN look.earned > coalesce(look.rank, -1) THEN 'rises'
            WHEN look.rank IS NULL THEN NULL
            WHEN look.earned = look.rank OR look.keeps
                THEN CASE WHEN held.below_since IS NOT NULL THEN 'recovers' END
            WHEN coalesce((held.below_since AT TIME ZONE {zone})::date, {today}) + look.grace
                <= {today} THEN 'falls'
            WHEN held.below_since IS NULL THEN 'slips'
        END AS change
        OFFSET 0
    ) verdict
    WHERE verdict.change IS NOT NULL
"""
# The other OFFSET 0 has the few members without a tier looked up one by one, not all of them read.
# A period is opened only when the one before it is closed: there is one current one at a time.
WRITE = """
WITH look AS MATERIALIZED ({verdicts}
), closed AS (
    UPDATE members_tierassignment held
    SET ended_at = greatest({now}, held.started_at), end_clauses = look.end_clauses,
        end_cause = CASE look.change WHEN 'rises' THEN {promoted} ELSE {demoted} END
    FROM look
    WHERE held.id = look.held_id AND look.change IN ('rises', 'falls')
    RETURNING held.id, look.tier_id
), marked AS (
    UPDATE members_tierassignment held
    SET below_since = CASE look.change WHEN 'slips' THEN {now} END
    FROM look
    WHERE held.id = look.held_id AND look.change IN ('slips', 'recovers')
), opened AS (
    INSERT INTO members_tierassignment (
        member_id, scheme_id, tier_id, cause, clauses, started_at, is_locked, reason
    )
    SELECT member_id, {scheme}, tier_id,
        CASE WHEN change = 'falls' THEN {demoted}
             WHEN held_id IS NOT NULL OR EXISTS (
                 SELECT FROM members_tierassignment former
                 WHERE former.member_id = look.member_id AND former.scheme_id = {scheme}
                 OFFSET 0
             ) THEN {promoted}
             ELSE {entered} END,
        clauses, greatest({now}, held_from), false, ''
    FROM look
    WHERE change IN ('rises', 'falls') AND tier_id IS NOT NULL
      AND (SELECT count(*) FROM closed) >= 0
    ORDER BY member_id
    RETURNING id
)
SELECT ARRAY(SELECT id FROM opened) || ARRAY(SELECT id FROM closed WHERE tier_id IS NULL),
       count(*) FILTER (WHERE change = 'rises'), count(*) FILTER (WHERE change = 'falls')
FROM look
"""


@dataclass(frozen=True)
class Rung:
    """A tier as members are measured against it."""

    tier: Tier
    asks: Criterion
    keeps: Criterion


type Ladder = tuple[Rung, ...]


@dataclass(frozen=True)
class Tally:
    """What a look at some members changed: the periods that began (or ended with none after
    them), and how many members rose and fell."""

    assignment_ids: tuple[int, ...] = ()
    promoted: int = 0
    demoted: int = 0


def ladder_of(scheme: TierScheme) -> Ladder:
    """The tiers of a scheme, highest first. Raises ``InvalidCriterion`` for a criterion that the
    language no longer knows: nobody may lose a tier because of that."""
    rungs = []
    for tier in scheme.tiers.order_by("-rank"):
        asks = parse_criterion(tier.criterion)
        rungs.append(Rung(tier, asks, keep_criterion(asks, tier.keep_factor)))
    return tuple(rungs)


def write_verdicts(scheme: TierScheme, ladder: Ladder, among: Among, *, now: datetime) -> Tally:
    """Bring the assignments of some members to what they earn. Call it with the scheme locked."""
    if not ladder:
        return Tally()
    statement = _statement(scheme, ladder, among, now)
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        ids, promoted, demoted = cursor.fetchone()
    return Tally(tuple(ids), promoted, demoted)


def _statement(scheme: TierScheme, ladder: Ladder, among: Among, now: datetime) -> Sql:
    known = {
        "scheme": sql("{}", scheme.pk),
        "now": sql("{}::timestamptz", now),
        "promoted": sql("{}", TierCause.PROMOTED.value),
        "demoted": sql("{}", TierCause.DEMOTED.value),
        "entered": sql("{}", TierCause.ENTERED.value),
    }
    return _filled(WRITE, known | {"verdicts": _verdicts(scheme, ladder, among, now)})


def _verdicts(scheme: TierScheme, ladder: Ladder, among: Among, now: datetime) -> Sql:
    moment = Moment(scheme.enterprise, now)
    measuring = Measuring(moment, among)
    earned = [
        sql(" WHEN {} THEN {}", measuring.holds(rung.asks), rung.tier.rank) for rung in ladder
    ]
    parts = {
        "earned": sql("CASE{} END", joined("", earned)),
        "earned_tier": _by_rank(ladder, lambda rung: sql("{}", rung.tier.pk)),
        "rank": _by_tier(ladder, lambda rung: sql("{}", rung.tier.rank)),
        "grace": _by_tier(ladder, lambda rung: sql("{}", rung.tier.grace_days)),
        "keeps": _by_tier(ladder, lambda rung: measuring.holds(rung.keeps)),
        "clauses": sql(
            "coalesce({}, {})",
            _by_rank(ladder, lambda rung: measuring.clauses(rung.asks)),
            NOTHING_ASKED,
        ),
        "end_clauses": sql(
            "CASE WHEN verdict.change = 'falls' THEN {} ELSE {} END",
            _by_tier(ladder, lambda rung: measuring.clauses(rung.keeps)),
            NOTHING_ASKED,
        ),
        "scheme": sql("{}", scheme.pk),
        "measured": measuring.limit("current.member_id"),
        "zone": sql("{}", scheme.enterprise.time_zone),
        "today": sql("{}::date", moment.today),
    }
    return _filled(VERDICTS, parts | {"source": measuring.source()})


def _by_rank(ladder: Ladder, answer: Callable[[Rung], Sql]) -> Sql:
    whens = [sql(" WHEN {} THEN {}", rung.tier.rank, answer(rung)) for rung in ladder]
    return sql("CASE look.earned{} END", joined("", whens))


def _by_tier(ladder: Ladder, answer: Callable[[Rung], Sql]) -> Sql:
    whens = [sql(" WHEN {} THEN {}", rung.tier.pk, answer(rung)) for rung in ladder]
    return sql("CASE held.tier_id{} END", joined("", whens))


def _filled(template: str, parts: dict[str, Sql]) -> Sql:
    """The template with pieces where their names stand, each with its parameters in its place."""
    names = re.findall(r"\{(\w+)\}", template)
    return sql(re.sub(r"\{\w+\}", "{}", template), *(parts[name] for name in names))
