"""Classifications that end by themselves: run out, or left behind by a rule that is gone."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import ClassificationAxis, ClassificationRule, ClassificationValue
from members.errors import AxisHasManyValues
from members.models import MemberClassification
from members.rules.standing import ClassificationSource
from members.signals import classifications_swept
from scrm.shared.sql import Sql, sql

BATCH = 5_000
TABLE = MemberClassification._meta.db_table
EXPIRE = f"""
UPDATE {TABLE} SET ended_at = GREATEST(expires_at, granted_at)
WHERE id IN (
    SELECT id FROM {TABLE} WHERE ended_at IS NULL AND expires_at <= {{}}
    ORDER BY expires_at LIMIT {{}} FOR UPDATE SKIP LOCKED
)
RETURNING value_id, member_id
"""  # noqa: S608 - a table name
ORPHAN = f"""
UPDATE {TABLE} SET ended_at = GREATEST({{}}, granted_at)
WHERE id IN (
    SELECT id FROM {TABLE} WHERE value_id = {{}} AND source = {{}} AND ended_at IS NULL
    ORDER BY member_id LIMIT {{}} FOR UPDATE SKIP LOCKED
)
RETURNING value_id, member_id
"""  # noqa: S608 - a table name


def end_expired_classifications(now: datetime) -> int:
    """Close what has run out, as of when it did; how many there were."""
    return _end_in_batches(sql(EXPIRE, now, BATCH))


def end_rule_classifications(value_id: int) -> int:
    """Take a value back from whom a rule gave it that is no more; how many there were."""
    if ClassificationRule.objects.filter(value=value_id).exists():
        return 0
    source = ClassificationSource.RULE.value
    return _end_in_batches(sql(ORPHAN, timezone.now(), value_id, source, BATCH))


def values_without_their_rule() -> list[int]:
    """The values that some member still has from a rule that is gone."""
    left_over = MemberClassification.objects.filter(
        value=OuterRef("pk"), source=ClassificationSource.RULE, ended_at=None
    )
    values = ClassificationValue.objects.filter(Exists(left_over), rule=None)
    return list(values.order_by("pk").values_list("pk", flat=True))


def refuse_several_values(axis_id: int) -> None:
    """An axis becomes exclusive only when nobody has several values on it."""
    axis = ClassificationAxis.objects.get(pk=axis_id)
    several = (
        MemberClassification.objects.in_force(timezone.now())
        .filter(value__axis=axis_id)
        .values("member")
        .annotate(values_held=Count("value", distinct=True))
        .filter(values_held__gt=1)
        .count()
    )
    if several:
        raise AxisHasManyValues(
            _("有 %(count)d 位成员在“%(axis)s”上有多个值，请先只留一个，再改为单选。")
            % {"count": several, "axis": axis.name},
            details={"member_count": several},
        )


def _end_in_batches(statement: Sql) -> int:
    total = 0
    while True:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(statement.text, statement.params)
                rows = cursor.fetchall()
            _announce(rows)
        total += len(rows)
        if len(rows) < BATCH:
            return total


def _announce(rows: list[tuple[int, int]]) -> None:
    members: defaultdict[int, list[int]] = defaultdict(list)
    for value_id, member_id in rows:
        members[value_id].append(member_id)
    for value_id, member_ids in sorted(members.items()):
        classifications_swept.send(
            sender=MemberClassification, value_id=value_id, member_ids=sorted(member_ids)
        )
