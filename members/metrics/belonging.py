"""Which communities members are in. A metric of a community may be narrowed to one of them."""

from __future__ import annotations

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from communities.models import Community
from members.metrics.measures import (
    Measure,
    Moment,
    Rows,
    Source,
    coded,
    holding,
    local_days_since,
)
from members.models import Membership
from scrm.shared.criteria import (
    NUMERIC,
    REFERENCE,
    Clause,
    MetricDefinition,
    ValueType,
    Window,
)
from scrm.shared.sql import Sql, sql

BELONGING = _("社群成员")
COMMUNITY_TABLE = Community._meta.db_table


def memberships(moment: Moment) -> Rows:
    """Who belongs somewhere at that moment."""
    rows = Membership.objects.filter(
        Q(left_at=None) | Q(left_at__gt=moment.now),
        enterprise=moment.enterprise,
        joined_at__lte=moment.now,
    )
    return rows.values("member_id", "community_id", "joined_at")


def in_community(code: str, moment: Moment) -> Sql:
    return sql("r.community_id = {}", coded(COMMUNITY_TABLE, code, moment))


def of_community(clause: Clause, moment: Moment) -> Sql | None:
    return None if clause.of is None else in_community(clause.of, moment)


MEMBERSHIPS = Source(memberships, time="joined_at")

MEASURES = (
    Measure(
        MetricDefinition(
            name="membership_days",
            label=_("入社群天数"),
            unit=_("天"),
            source=BELONGING,
            definition=_(
                "当前所在社群中加入最早的一个至今的天数，当天为 0；可限定一个社群。"
                "不在任何社群则不满足任何条件。"
            ),
            version=2,
            value_type=ValueType.DAYS,
            operators=NUMERIC,
            takes_window=Window.NEVER,
            parameter=ValueType.COMMUNITY,
        ),
        MEMBERSHIPS,
        aggregate="min(r.joined_at)",
        reading=local_days_since,
        condition=of_community,
    ),
    holding(
        MetricDefinition(
            name="in_community",
            label=_("所在社群"),
            unit="",
            source=BELONGING,
            definition=_("现在是否在这个社群中，用社群代码指明。"),
            version=1,
            value_type=ValueType.COMMUNITY,
            operators=REFERENCE,
            takes_window=Window.NEVER,
        ),
        MEMBERSHIPS,
        in_community,
    ),
)
