"""Rules of classification at work: range by range over the members of an enterprise.

Applied again, a rule changes only what has become different since.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from communities.models import ClassificationRule
from members.criteria import matching
from members.models import Member, MemberClassification
from members.rules.standing import ClassificationSource
from members.signals import classifications_swept
from scrm.accounts.models import Enterprise
from scrm.shared.criteria import parse_criterion
from scrm.shared.sql import Sql, sql, sql_of

SPAN = 20_000  # members that one transaction looks at
DUE_AT = timedelta(hours=2, minutes=30)  # local time, before tiers and scores are computed

TABLE = MemberClassification._meta.db_table
DIFFERENCES = f"""
WITH met (id) AS MATERIALIZED ({{}}),
held AS (
    SELECT member_id FROM {TABLE}
    WHERE value_id = {{}} AND source = {{}} AND ended_at IS NULL
      AND member_id > {{}} AND member_id <= {{}}
)
SELECT COALESCE(met.id, held.member_id), met.id IS NOT NULL
FROM met FULL JOIN held ON held.member_id = met.id
WHERE met.id IS NULL OR held.member_id IS NULL
ORDER BY 1
"""  # noqa: S608 - a table name
BEGIN = f"""
INSERT INTO {TABLE} (enterprise_id, member_id, value_id, source, granted_at)
SELECT {{}}, member_id, {{}}, {{}}, {{}} FROM unnest({{}}::bigint[]) AS newly (member_id)
WHERE NOT {{}} OR NOT EXISTS (
    SELECT FROM {TABLE} other
    JOIN communities_classificationvalue value ON value.id = other.value_id
    WHERE other.member_id = newly.member_id AND value.axis_id = {{}} AND value.id <> {{}}
      AND other.ended_at IS NULL AND (other.expires_at IS NULL OR other.expires_at > {{}})
)
ON CONFLICT DO NOTHING RETURNING member_id
"""  # noqa: S608 - a table name
END = f"""
UPDATE {TABLE} SET ended_at = GREATEST({{}}, granted_at)
WHERE value_id = {{}} AND source = {{}} AND ended_at IS NULL AND member_id = ANY({{}})
RETURNING member_id
"""  # noqa: S608 - a table name


@dataclass(frozen=True)
class Applied:
    """What a rule changed. ``next_member`` is where to go on; None when it is through."""

    begun: int
    ended: int
    next_member: int | None


def apply_classification_rule(
    rule_id: int, *, after: int = 0, budget: float | None = None
) -> Applied:
    """Give the value to those who meet the rule, and take it from those who no longer do.

    On an exclusive axis a rule never replaces a value that is in force, not even another rule's.
    It stops when ``budget`` seconds are used up; a rule that is gone or off changes nothing.
    """
    deadline = None if budget is None else time.monotonic() + budget
    begun = ended = 0
    while True:
        with transaction.atomic():
            rule = _active(rule_id)
            upto = None if rule is None else _upto(rule, after)
            if rule is None or upto is None:
                _note_applied(rule)
                return Applied(begun, ended, next_member=None)
            span = _apply_to(rule, after, upto)
        begun, ended, after = begun + span[0], ended + span[1], upto
        if deadline is not None and time.monotonic() > deadline:
            return Applied(begun, ended, next_member=after)


def rules_to_apply(now: datetime) -> list[int]:
    """The active rules that were changed, or not applied since the night of their enterprise."""
    due: list[int] = []
    for enterprise in Enterprise.objects.order_by("pk"):
        local = now.astimezone(enterprise.zone) - DUE_AT
        night = local.replace(hour=0, minute=0, second=0, microsecond=0) + DUE_AT
        rules = ClassificationRule.objects.active().filter(value__axis__enterprise=enterprise)
        due += rules.exclude(applied_at__gte=night).order_by("pk").values_list("pk", flat=True)
    return due


def _note_applied(rule: ClassificationRule | None) -> None:
    if rule is not None:
        rule.applied_at = timezone.now()
        rule.save(update_fields=["applied_at"])


def _active(rule_id: int) -> ClassificationRule | None:
    """A change of the rule waits for the span, so that no span mixes two criteria."""
    rules = ClassificationRule.objects.active().select_related("value__axis__enterprise")
    return rules.select_for_update(no_key=True, of=("self",)).filter(pk=rule_id).first()


def _upto(rule: ClassificationRule, after: int) -> int | None:
    """The last member of the next span; None when nobody is left."""
    members = Member.objects.filter(
        enterprise=rule.value.axis.enterprise_id, pk__gt=after
    ).order_by("pk")
    span = members.values_list("pk", flat=True)
    last = span[SPAN - 1 : SPAN].first()
    return last if last is not None else span.reverse().first()


def _apply_to(rule: ClassificationRule, after: int, upto: int) -> tuple[int, int]:
    now = timezone.now()
    newly, no_longer = _differences(rule, after, upto, now)
    _lock([*newly, *no_longer])
    now = timezone.now()
    ended = _run(sql(END, now, rule.value_id, ClassificationSource.RULE.value, no_longer))
    begun = _run(_beginning(rule, newly, now)) if newly else []
    if begun or ended:
        classifications_swept.send(
            sender=MemberClassification, value_id=rule.value_id, member_ids=[*begun, *ended]
        )
    return len(begun), len(ended)


def _differences(
    rule: ClassificationRule, after: int, upto: int, now: datetime
) -> tuple[list[int], list[int]]:
    enterprise = rule.value.axis.enterprise
    span = Member.objects.filter(enterprise=enterprise, pk__gt=after, pk__lte=upto)
    met = matching(
        parse_criterion(rule.criterion), enterprise=enterprise, now=now, among=_ids(span)
    )
    statement = sql(
        DIFFERENCES,
        sql_of(_ids(met.filter(pk__gt=after, pk__lte=upto))),
        rule.value_id,
        ClassificationSource.RULE.value,
        after,
        upto,
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        rows = cursor.fetchall()
    return [pk for pk, meets in rows if meets], [pk for pk, meets in rows if not meets]


def _beginning(rule: ClassificationRule, newly: list[int], now: datetime) -> Sql:
    axis = rule.value.axis
    return sql(
        BEGIN,
        axis.enterprise_id,
        rule.value_id,
        ClassificationSource.RULE.value,
        now,
        newly,
        axis.is_exclusive,
        axis.pk,
        rule.value_id,
        now,
    )


def _ids(members: QuerySet[Member]) -> QuerySet[Member, int]:
    return members.values_list("pk", flat=True)


def _lock(member_ids: list[int]) -> None:
    """Whoever else classifies these members waits: an exclusive axis keeps one value."""
    rows = Member.objects.select_for_update(no_key=True).filter(pk__in=member_ids).order_by("pk")
    list(rows.values_list("pk"))


def _run(statement: Sql) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        return [member_id for (member_id,) in cursor.fetchall()]
