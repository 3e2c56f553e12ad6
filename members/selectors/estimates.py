"""How many members a criterion would find."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from communities.models import Community
from members.criteria import matching_ids
from members.errors import CriterionTooCostly
from members.metrics import Moment
from members.models import Member, Membership
from scrm.accounts.models import User
from scrm.accounts.rules.roles import DataScope
from scrm.shared.criteria import Criterion
from scrm.shared.sql import sql, time_limit

SAMPLE_SIZE = 10
TIME_LIMIT_MS = 5_000

COUNT = """
WITH met (id) AS ({})
SELECT count(*), ARRAY(SELECT id FROM met ORDER BY id LIMIT {}) FROM met
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of the members that somebody may see, how many meet a criterion, and a few of them."""

    count: int
    total: int
    sample: list[Member]
    as_of: datetime
    cost_ms: int


def estimate_criterion(
    criterion: Criterion, *, user: User, now: datetime, community: Community | None = None
) -> Estimate:
    """Raises ``CriterionTooCostly`` when counting takes more than ``TIME_LIMIT_MS``."""
    began = time.perf_counter()
    among = _visible(user, community)
    everybody = Member.objects.filter(enterprise=user.enterprise_id)
    ids = matching_ids(criterion, moment=Moment(user.enterprise, now), among=among)
    statement = sql(COUNT, ids, SAMPLE_SIZE)
    too_costly = CriterionTooCostly(
        _("计算超过 %(seconds)d 秒。请缩短“近几天”、减少条件，或只看一个社群。")
        % {"seconds": TIME_LIMIT_MS // 1000}
    )
    with time_limit(TIME_LIMIT_MS, otherwise=too_costly), connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        count, first = cursor.fetchone()
        total = (everybody if among is None else everybody.filter(pk__in=among)).count()
    return Estimate(
        count=count,
        total=total,
        sample=list(Member.objects.filter(pk__in=first).order_by("pk")),
        as_of=now,
        cost_ms=round((time.perf_counter() - began) * 1000),
    )


def _visible(user: User, community: Community | None) -> QuerySet[Any, Any] | None:
    """Whom to count: those in a community, or everybody the user may see."""
    if community is not None:
        return Membership.objects.active().filter(community=community).values("member")
    if user.data_scope == DataScope.ALL:
        return None
    return Member.objects.visible_to(user).values("pk")
