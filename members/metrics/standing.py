"""What is known about members as it stands now: classes, evidence, tags, tiers, consents.

Unlike activity and orders these have no past here: whatever the moment, the open periods count.
"""

from __future__ import annotations

from django.db.models import F
from django.utils.translation import gettext_lazy as _

from communities.models import ClassificationAxis, ClassificationValue, TierScheme
from members.metrics.measures import (
    Measure,
    Moment,
    Rows,
    Source,
    coded,
    holding,
)
from members.models import (
    Consent,
    MemberClassification,
    MemberTag,
    Tag,
    TierAssignment,
)
from members.rules.standing import ConsentDecision, EvidenceStatus
from scrm.shared.criteria import (
    NUMERIC,
    REFERENCE,
    Clause,
    MetricDefinition,
    ValueType,
    Window,
    Words,
)
from scrm.shared.sql import Sql, sql

AXIS_TABLE = ClassificationAxis._meta.db_table
VALUE_TABLE = ClassificationValue._meta.db_table
SCHEME_TABLE = TierScheme._meta.db_table
TAG_TABLE = Tag._meta.db_table


def classifications(moment: Moment) -> Rows:
    rows = MemberClassification.objects.in_force(moment.now)
    return rows.filter(enterprise=moment.enterprise).values("member_id", "value_id")


def proofs(moment: Moment) -> Rows:
    """Classifications in force that approved evidence brought."""
    rows = MemberClassification.objects.in_force(moment.now)
    proven = rows.filter(enterprise=moment.enterprise, evidence__status=EvidenceStatus.APPROVED)
    return proven.values("member_id", "value_id")


def tags(moment: Moment) -> Rows:
    return MemberTag.objects.current().values("member_id", "tag_id")


def tiers(moment: Moment) -> Rows:
    rows = TierAssignment.objects.current()
    return rows.values("member_id", "scheme_id", rank=F("tier__rank"))


def consents(moment: Moment) -> Rows:
    rows = Consent.objects.filter(member__enterprise=moment.enterprise)
    return rows.values("id", "member_id", "purpose", "decision")


CLASSIFICATIONS = Source(classifications)
PROOFS = Source(proofs)
TAGS = Source(tags)
TIERS = Source(tiers)
CONSENTS = Source(consents)


def value_tree(code: str, moment: Moment) -> Sql:
    """The ids of a classification value, named ``axis:value``, and of all below it, as an array."""
    axis, _colon, value = code.partition(":")
    return sql(
        "ARRAY(WITH RECURSIVE tree (id) AS ("  # noqa: S608 - table names
        f"SELECT v.id FROM {VALUE_TABLE} v JOIN {AXIS_TABLE} a ON a.id = v.axis_id"
        " WHERE a.enterprise_id = {} AND a.code = {} AND v.code = {}"
        f" UNION SELECT v.id FROM {VALUE_TABLE} v JOIN tree ON v.parent_id = tree.id"
        ") SELECT id FROM tree)",
        moment.enterprise.pk,
        axis,
        value,
    )


def below(code: str, moment: Moment) -> Sql:
    return sql("r.value_id = ANY({})", value_tree(code, moment))


def tagged(code: str, moment: Moment) -> Sql:
    return sql("r.tag_id = {}", coded(TAG_TABLE, code, moment))


def about_purpose(clause: Clause, moment: Moment) -> Sql:
    return sql("r.purpose = {}", str(clause.value))


def latest_granted(moment: Moment) -> Sql:
    """Of the greatest (id, granted), whether it granted."""
    return Sql("(({column})[2] = 1)")


def in_scheme(clause: Clause, moment: Moment) -> Sql:
    """The scheme that the clause names, or the enterprise's first."""
    if clause.of is not None:
        return sql("r.scheme_id = {}", coded(SCHEME_TABLE, clause.of, moment))
    return sql(
        f"r.scheme_id = (SELECT min(id) FROM {SCHEME_TABLE} WHERE enterprise_id = {{}})",  # noqa: S608 - a table name
        moment.enterprise.pk,
    )


def _standing(
    name: str, label: Words, source: Words, definition: Words, value_type: ValueType
) -> MetricDefinition:
    return MetricDefinition(
        name=name,
        label=label,
        unit="",
        source=source,
        definition=definition,
        version=1,
        value_type=value_type,
        operators=REFERENCE,
        takes_window=Window.NEVER,
    )


MEASURES = (
    Measure(
        MetricDefinition(
            name="tier_rank",
            label=_("层级"),
            unit=_("级"),
            source=_("成员层级"),
            definition=_(
                "当前层级的级别，数字越大越高；可指明分层方案，不写用企业最早的方案。"
                "没有层级则不满足任何条件。"
            ),
            version=1,
            value_type=ValueType.RANK,
            operators=NUMERIC,
            takes_window=Window.NEVER,
            parameter=ValueType.TIER_SCHEME,
        ),
        TIERS,
        aggregate="max(r.rank)",
        condition=in_scheme,
    ),
    holding(
        _standing(
            "classified_as",
            _("分类"),
            _("成员分类"),
            _("是否属于这个分类值或它下面的任何值，写成“维度:值”；到期和结束的不算。"),
            ValueType.CLASSIFICATION,
        ),
        CLASSIFICATIONS,
        below,
    ),
    holding(
        _standing(
            "has_evidence",
            _("凭证"),
            _("凭证审核"),
            _("是否有通过审核、仍然有效的凭证证明这个分类值或它下面的任何值，写成“维度:值”。"),
            ValueType.CLASSIFICATION,
        ),
        PROOFS,
        below,
    ),
    holding(
        _standing(
            "has_tag",
            _("标签"),
            _("成员标签"),
            _("现在是否有这个标签，用标签代码指明。"),
            ValueType.TAG,
        ),
        TAGS,
        tagged,
    ),
    Measure(
        _standing(
            "consented",
            _("授权"),
            _("授权记录"),
            _("最近一次的决定是否是同意；从未表态算不同意。"),
            ValueType.PURPOSE,
        ),
        CONSENTS,
        aggregate=f"max(ARRAY[r.id, (r.decision = '{ConsentDecision.GRANTED}')::int])",
        nothing=False,
        reading=latest_granted,
        condition=about_purpose,
    ),
)
