"""The three-way matrix once a week: how many are in each cell, and four weeks later how many of
them were still active and how many bought again."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from django.db import connection, transaction

from members.models import PastValue, ValueCell
from members.selectors.measuring import measured_communities
from members.services.staging import join_whole_slices
from scrm.accounts.models import Enterprise
from scrm.shared.sql import Sql, named_sql

HORIZON_DAYS = 28

REMEMBER = """
INSERT INTO members_pastvalue (enterprise_id, cut, member_id, segment, clv_band, behaviour)
SELECT enterprise_id, {cut}, member_id, segment, clv_band, behaviour
FROM members_membervalue WHERE enterprise_id = {enterprise} ORDER BY member_id
ON CONFLICT DO NOTHING
"""
OPEN = """
INSERT INTO members_valuecell (
    enterprise_id, community_id, cut, segment, clv_band, behaviour, member_count, clv_amount
)
SELECT {enterprise}, NULL::bigint, {cut}, segment, clv_band, behaviour, count(*),
       coalesce(sum(clv_amount), 0)
FROM members_membervalue WHERE enterprise_id = {enterprise}
GROUP BY segment, clv_band, behaviour
UNION ALL
SELECT {enterprise}, inside.community_id, {cut}, segment, clv_band, behaviour, count(*),
       coalesce(sum(clv_amount), 0)
FROM members_membervalue value JOIN members_membership inside USING (member_id)
WHERE value.enterprise_id = {enterprise} AND inside.enterprise_id = {enterprise}
  AND inside.joined_at < {start} AND (inside.left_at IS NULL OR inside.left_at >= {start})
GROUP BY inside.community_id, segment, clv_band, behaviour
ON CONFLICT DO NOTHING
"""
# Who was in a community that a source measured throughout can be seen to be active or not.
CLOSE = """
WITH past AS (
    SELECT member_id, segment, clv_band, behaviour FROM members_pastvalue
    WHERE enterprise_id = {enterprise} AND cut = {cut}
), inside AS (
    SELECT DISTINCT member_id, community_id, community_id = ANY({measured}) AS is_measured
    FROM members_membership
    WHERE enterprise_id = {enterprise}
      AND joined_at < {start} AND (left_at IS NULL OR left_at >= {start})
), acted AS (
    SELECT DISTINCT member_id, community_id FROM members_memberday
    WHERE enterprise_id = {enterprise} AND day >= {cut} AND day < {until}
), bought AS (
    SELECT DISTINCT member_id FROM members_purchaseday
    WHERE enterprise_id = {enterprise} AND day >= {cut} AND day < {until} AND standing_count > 0
), told AS (
    SELECT inside.community_id, past.segment, past.clv_band, past.behaviour,
           inside.is_measured, acted.member_id IS NOT NULL AS is_active,
           bought.member_id IS NOT NULL AS has_bought
    FROM past JOIN inside USING (member_id)
        LEFT JOIN acted USING (member_id, community_id)
        LEFT JOIN bought ON bought.member_id = past.member_id
    UNION ALL
    SELECT NULL, past.segment, past.clv_band, past.behaviour,
           coalesce(everywhere.is_measured, false),
           coalesce(everywhere.is_active, false), bought.member_id IS NOT NULL
    FROM past
        LEFT JOIN (
            SELECT inside.member_id, bool_or(inside.is_measured) AS is_measured,
                   bool_or(inside.is_measured AND acted.member_id IS NOT NULL) AS is_active
            FROM inside LEFT JOIN acted USING (member_id, community_id)
            GROUP BY inside.member_id
        ) everywhere ON everywhere.member_id = past.member_id
        LEFT JOIN bought ON bought.member_id = past.member_id
), counted AS (
    SELECT community_id, segment, clv_band, behaviour,
           count(*) FILTER (WHERE is_measured) AS measured,
           count(*) FILTER (WHERE is_measured AND is_active) AS active,
           count(*) FILTER (WHERE has_bought) AS buyers
    FROM told GROUP BY community_id, segment, clv_band, behaviour
)
UPDATE members_valuecell cell
SET measured_count = counted.measured, active_count = counted.active,
    buyer_count = counted.buyers
FROM counted
WHERE cell.enterprise_id = {enterprise} AND cell.cut = {cut}
  AND cell.community_id IS NOT DISTINCT FROM counted.community_id
  AND cell.segment = counted.segment AND cell.clv_band = counted.clv_band
  AND cell.behaviour = counted.behaviour
"""
# Of a cell nobody is left whose past may be looked at.
CLOSE_EMPTY = """
UPDATE members_valuecell SET measured_count = 0, active_count = 0, buyer_count = 0
WHERE enterprise_id = {enterprise} AND cut = {cut} AND measured_count IS NULL
"""


def is_cut_due(enterprise: Enterprise, *, on: date) -> bool:
    """Whether the matrix of this week, which begins on Monday, is still to be written."""
    monday = on - timedelta(days=on.weekday())
    cells = ValueCell.objects.filter(enterprise=enterprise, cut__gte=monday)
    return not cells.exists()


@transaction.atomic
def open_cells(enterprise: Enterprise, *, cut: date) -> None:
    """Count who is in which cell on a day, and remember it until the horizon has passed."""
    _run([REMEMBER, OPEN], _known(enterprise, cut))


@transaction.atomic
def close_cells(enterprise: Enterprise, *, on: date) -> list[date]:
    """Say of the cells whose horizon has passed what became of those who were in them."""
    open_ones = ValueCell.objects.filter(
        enterprise=enterprise, measured_count=None, cut__lte=on - timedelta(days=HORIZON_DAYS)
    )
    cuts = sorted(set(open_ones.values_list("cut", flat=True)))
    for cut in cuts:
        _run([CLOSE, CLOSE_EMPTY], _known(enterprise, cut))
    if cuts:
        PastValue.objects.filter(enterprise=enterprise, cut__lte=cuts[-1]).delete()
    return cuts


def _known(enterprise: Enterprise, cut: date) -> dict[str, Sql | object]:
    until = cut + timedelta(days=HORIZON_DAYS)
    start = datetime.combine(cut, time.min, tzinfo=enterprise.zone)
    measured = measured_communities(enterprise, cut, until)
    return {
        "enterprise": enterprise.pk,
        "cut": Sql("%s::date", (cut,)),
        "until": Sql("%s::date", (until,)),
        "start": Sql("%s::timestamptz", (start,)),
        "measured": Sql("%s::bigint[]", (measured,)),
    }


def _run(templates: list[str], known: dict[str, Sql | object]) -> None:
    with connection.cursor() as cursor:
        join_whole_slices(cursor)
        for template in templates:
            statement = named_sql(template, **known)
            cursor.execute(statement.text, statement.params)
