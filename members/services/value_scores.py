"""RFM scores, what members are expected to buy, and bands of it: set-based, slice by slice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from django.db import connection, transaction

from members.rules.rfm import (
    ACTIVITY_CUTS,
    PURCHASE_CUTS,
    SCORES,
    RfmBasis,
    RfmCuts,
    basis_of,
    cuts_from,
    segment_of,
)
from members.rules.values import ValueBand
from members.services.staging import affected, copy_lines, join_whole_slices, temporary_table
from scrm.accounts.models import Enterprise
from scrm.shared.sql import Sql, named_sql

#: Of those with an expected amount: the upper fifth is high, the next three tenths are medium.
MEDIUM_FROM, HIGH_FROM = 0.5, 0.8

COLUMNS = {
    RfmBasis.PURCHASES: ("last_purchase_on", "purchase_days", "spent_amount"),
    RfmBasis.ACTIVITY: ("last_sign_on", "active_days", "contribution"),
}
FREQUENCY_CUTS = {RfmBasis.PURCHASES: PURCHASE_CUTS, RfmBasis.ACTIVITY: ACTIVITY_CUTS}
SEGMENTS = [
    segment_of(recency, frequency)
    for recency in range(1, SCORES + 1)
    for frequency in range(1, SCORES + 1)
]

POPULATION = """
SELECT count(*) FILTER (WHERE purchase_days > 0), count(*) FILTER (WHERE active_days > 0)
FROM members_membervalue WHERE enterprise_id = %s
"""
# The average rank of a value as a share of all, times five, rounded up; all that is needed to
# score everybody is where each score begins.
QUINTILES = """
WITH counted AS (
    SELECT {column} AS value, count(*) AS times FROM members_membervalue
    WHERE enterprise_id = %(enterprise)s AND {days} > 0 GROUP BY {column}
), ranked AS (
    SELECT value, sum(times) OVER (ORDER BY value) - (times - 1) / 2.0 AS rank,
           sum(times) OVER () AS total
    FROM counted
), scored AS (
    SELECT value, ceil(%(scores)s * rank / total)::int AS score FROM ranked
)
SELECT score, min(value) FROM scored GROUP BY score
"""
SLICE_END = """
SELECT max(member_id) FROM (
    SELECT member_id FROM members_membervalue
    WHERE enterprise_id = %s AND member_id > %s ORDER BY member_id LIMIT %s
) slice
"""
BUYERS = """
SELECT member_id, purchase_days - 1, last_purchase_on - first_purchase_on,
       greatest(%s::date - 1 - first_purchase_on, 0), repeat_amount
FROM members_membervalue
WHERE enterprise_id = %s AND member_id > %s AND member_id <= %s AND purchase_days > 0
ORDER BY member_id
"""
STAGE_COLUMNS = "member_id bigint, alive float8, purchases float8, clv bigint"
SCORES_OF = """
    SELECT value.member_id, stage.alive, stage.purchases, stage.clv,
        CASE WHEN value.{days} > 0 THEN 1 + width_bucket(value.{last}, {{recency}}::date[])
             ELSE 0 END AS recency,
        CASE WHEN value.{days} > 0 THEN width_bucket(value.{days}, {{frequency}}::int[])
             ELSE 0 END AS frequency,
        CASE WHEN value.{days} > 0 THEN 1 + width_bucket(value.{money}, {{monetary}}::bigint[])
             ELSE 0 END AS monetary
    FROM members_membervalue value LEFT JOIN value_stage stage USING (member_id)
    WHERE value.enterprise_id = {{enterprise}}
      AND value.member_id > {{after}} AND value.member_id <= {{upto}}
"""
STORE = """
WITH scored AS ({scores}), known AS (
    SELECT scored.*, CASE WHEN clv IS NULL THEN '' ELSE {version} END AS version,
        coalesce(({segments}::text[])[(recency - 1) * 5 + frequency], '') AS segment
    FROM scored
)
UPDATE members_membervalue value
SET recency = known.recency, frequency = known.frequency, monetary = known.monetary,
    segment = known.segment, alive = known.alive, expected_purchases = known.purchases,
    clv_amount = known.clv, model_version = known.version, computed_on = {on}
FROM known
WHERE value.member_id = known.member_id
  AND (value.recency, value.frequency, value.monetary, value.segment, value.alive,
       value.expected_purchases, value.clv_amount, value.model_version)
   IS DISTINCT FROM (known.recency, known.frequency, known.monetary, known.segment, known.alive,
       known.purchases, known.clv, known.version)
"""
BAND_CUTS = """
SELECT percentile_disc(ARRAY[%s, %s]) WITHIN GROUP (ORDER BY clv_amount)
FROM members_membervalue WHERE enterprise_id = %s AND clv_amount IS NOT NULL
"""
BANDS = """
WITH banded AS (
    SELECT member_id,
        CASE WHEN clv_amount IS NULL THEN {none}
             WHEN clv_amount >= {high_from}::bigint AND clv_amount > 0 THEN {high}
             WHEN clv_amount >= {medium_from}::bigint AND clv_amount > 0 THEN {medium}
             ELSE {low} END AS band
    FROM members_membervalue
    WHERE enterprise_id = {enterprise} AND member_id > {after} AND member_id <= {upto}
)
UPDATE members_membervalue value SET clv_band = banded.band, computed_on = {on}
FROM banded
WHERE value.member_id = banded.member_id AND value.clv_band <> banded.band
"""


def rfm_cuts(enterprise: Enterprise) -> RfmCuts:
    """Where the scores begin, by everybody's facts."""
    with connection.cursor() as cursor:
        cursor.execute(POPULATION, [enterprise.pk])
        buyers, active = cursor.fetchone()
    basis = basis_of(buyers, active)
    last, days, money = COLUMNS[basis]
    return RfmCuts(
        basis,
        recency=cuts_from(_least(enterprise, last, days)),
        frequency=FREQUENCY_CUTS[basis],
        monetary=cuts_from(_least(enterprise, money, days)),
    )


def _least(enterprise: Enterprise, column: str, days: str) -> dict[int, Any]:
    with connection.cursor() as cursor:
        statement = QUINTILES.format(column=column, days=days)
        cursor.execute(statement, {"enterprise": enterprise.pk, "scores": SCORES})
        return dict(cursor.fetchall())


def slice_end(enterprise: Enterprise, *, after: int, size: int) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(SLICE_END, [enterprise.pk, after, size])
        (upto,) = cursor.fetchone()
    return None if upto is None else int(upto)


@transaction.atomic
def write_scores(
    enterprise: Enterprise,
    *,
    on: date,
    ids: tuple[int, int],
    cuts: RfmCuts,
    model: tuple[str, dict[str, Any]] | None,
) -> int:
    """Score the members after the first id up to the second, by a model: its version and its
    parameters. Returns how many rows changed."""
    version, parameters = model or ("", {})
    last, days, money = COLUMNS[cuts.basis]
    known: dict[str, Sql | object] = {
        "enterprise": enterprise.pk,
        "after": ids[0],
        "upto": ids[1],
        "on": on,
        "version": version,
        "segments": [segment or "" for segment in SEGMENTS],
        "recency": list(cuts.recency),
        "frequency": list(cuts.frequency),
        "monetary": list(cuts.monetary),
    }
    scores = SCORES_OF.format(last=last, days=days, money=money)
    statement = named_sql(STORE.replace("{scores}", scores), **known)
    with connection.cursor() as cursor:
        join_whole_slices(cursor)
        temporary_table(cursor, "value_stage", STAGE_COLUMNS)
        if parameters:
            cursor.execute(BUYERS, [on, enterprise.pk, *ids])
            copy_lines(cursor, "value_stage", _lines(cursor.fetchall(), parameters))
        cursor.execute(statement.text, statement.params)
        return affected(cursor)


def _lines(buyers: Sequence[tuple[int, ...]], parameters: dict[str, Any]) -> Iterator[str]:
    if not buyers:
        return
    from members.rules.clv import (  # noqa: PLC0415 - loads NumPy and SciPy
        expectation_of_days,
        params_of,
    )

    members, *facts = zip(*buyers, strict=True)
    found = expectation_of_days(params_of(parameters), *facts)
    rows = zip(
        members,
        found.alive.tolist(),
        found.purchases.tolist(),
        found.amount.tolist(),
        strict=True,
    )
    for member, alive, purchases, amount in rows:
        yield f"{member}\t{alive:.6g}\t{purchases:.6g}\t{amount:.0f}\n"


def band_cuts(enterprise: Enterprise) -> tuple[int, int] | None:
    """From which expected amount on it is medium, and high; None where nobody has one."""
    with connection.cursor() as cursor:
        cursor.execute(BAND_CUTS, [MEDIUM_FROM, HIGH_FROM, enterprise.pk])
        (cuts,) = cursor.fetchone()
    return None if cuts is None else (int(cuts[0]), int(cuts[1]))


def write_bands(
    enterprise: Enterprise, *, on: date, ids: tuple[int, int], cuts: tuple[int, int] | None
) -> int:
    """Returns how many members got another band."""
    medium_from, high_from = cuts or (0, 0)
    statement = named_sql(
        BANDS,
        enterprise=enterprise.pk,
        after=ids[0],
        upto=ids[1],
        on=on,
        medium_from=medium_from,
        high_from=high_from,
        **{band.value: band.value for band in ValueBand},
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        return affected(cursor)
