"""Generated criteria, and generated members with facts where mistakes would live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from communities.models import (
    ClassificationAxis,
    ClassificationValue,
    Community,
    Tier,
    TierScheme,
)
from members.models import (
    ChurnScore,
    Consent,
    Evidence,
    Member,
    MemberClassification,
    MemberDay,
    Membership,
    MemberTag,
    MemberValue,
    Purchase,
    Tag,
    TierAssignment,
)
from members.rules.standing import ClassificationSource, EvidenceStatus, TierCause
from members.rules.status import JoinSource, LeaveReason
from scrm.accounts.models import Enterprise
from scrm.shared.criteria import METRICS, AllOf, AnyOf, Clause, Criterion, Not, ValueType, Window
from tests.accounts.factories import EnterpriseFactory
from tests.communities.factories import CommunityFactory
from tests.members.criteria_oracle import PARENT, Day, Facts, Klass, Order, Stay, Worth

#: Havana's clocks go forward at midnight, so that one day begins at one o'clock.
ZONES = ["Asia/Shanghai", "America/New_York", "America/Havana"]
NOWS = [
    datetime(2026, 3, 1, 15, 59, 59, tzinfo=UTC),  # a second before midnight in Shanghai
    datetime(2026, 3, 1, 16, 0, 0, tzinfo=UTC),  # midnight in Shanghai
    datetime(2026, 3, 8, 5, 0, tzinfo=UTC),  # Havana, the missing hour
    datetime(2026, 3, 8, 5, 30, tzinfo=UTC),  # New York, the night clocks go forward
    datetime(2026, 11, 1, 5, 30, tzinfo=UTC),  # New York, the hour that comes twice
]
COMMUNITIES = ["cats", "dogs"]
TAGS = ["gold", "silver"]
SCHEMES = ["loyalty", "expertise"]
PURPOSES = ["broadcast", "profiling"]
UNKNOWN = "nowhere"
NAMES = {
    ValueType.COMMUNITY: [*COMMUNITIES, UNKNOWN],
    ValueType.TAG: [*TAGS, UNKNOWN],
    ValueType.TIER_SCHEME: [*SCHEMES, UNKNOWN],
    ValueType.PURPOSE: PURPOSES,
    ValueType.CLASSIFICATION: [*PARENT, "region:nowhere", UNKNOWN],
    ValueType.RFM_SEGMENT: ["champions", "hibernating", UNKNOWN],
    ValueType.VALUE_BAND: ["high", "none", UNKNOWN],
    ValueType.BEHAVIOUR: ["creator", "dormant", UNKNOWN],
}
PERCENTS = [0, 28, 29, 50, 100]
COUNTS = ["message", "post", "comment", "checkin", "click", "other"]


# --- Criteria -----------------------------------------------------------------------------------


def values(value_type):
    if value_type in NAMES:
        return st.sampled_from(NAMES[value_type])
    if value_type is ValueType.PERCENT:
        return st.sampled_from(PERCENTS)
    return st.integers(0, 5)


@st.composite
def clauses(draw):
    named_elsewhere = {ValueType.SEGMENT, ValueType.WINBACK}  # by the apps above
    known = [metric for metric in METRICS if metric.value_type not in named_elsewhere]
    definition = draw(st.sampled_from(known))
    windows = st.integers(1, 6)
    window = {
        Window.NEVER: st.none(),
        Window.OPTIONAL: st.none() | windows,
        Window.REQUIRED: windows,
    }[definition.takes_window]
    of = st.none() if definition.parameter is None else st.none() | values(definition.parameter)
    return Clause(
        definition.name,
        draw(st.sampled_from(definition.operators)),
        draw(values(definition.value_type)),
        draw(window),
        draw(of),
    )


def groups(children):
    parts = st.lists(children, max_size=3).map(tuple)  # an empty group included
    return parts.map(AllOf) | parts.map(AnyOf) | children.map(Not)


trees = st.recursive(clauses(), groups, max_leaves=8).map(Criterion)


# --- Facts --------------------------------------------------------------------------------------


def instants(zone, now):
    """Instants around the local midnights of the last days, and in the near future."""
    today = now.astimezone(ZoneInfo(zone)).date()
    midnights = st.integers(-1, 6).map(
        lambda ago: datetime.combine(
            today - timedelta(days=ago), time.min, tzinfo=ZoneInfo(zone)
        ).astimezone(UTC)
    )
    nudges = st.sampled_from([-1, 0, 1, 3600, 3600 * 23, 3600 * 25])
    nearby = st.builds(lambda at, by: at + timedelta(seconds=by), midnights, nudges)
    return nearby | st.sampled_from([now, now + timedelta(seconds=1)])


def stays(when):
    def in_order(community, one, other):
        return Stay(community, one if other is None else min(one, other), other and max(one, other))

    one = st.builds(in_order, st.sampled_from(COMMUNITIES), when, st.none() | when)
    # somebody who left may have come back, but nobody is twice in one community
    return st.lists(one, max_size=3, unique_by=lambda stay: (stay.community, stay.left is None))


@st.composite
def facts(draw, zone, now):
    """What is known about one member; each kind of fact may be missing."""
    today = now.astimezone(ZoneInfo(zone)).date()
    when = instants(zone, now)
    some = {"max_size": 3}
    orders = st.builds(
        lambda at, paid, refunded, currency: Order(at, paid, min(paid, refunded), currency),
        when,
        st.integers(0, 3),
        st.integers(0, 3),
        st.sampled_from(["CNY", "CNY", "USD"]),
    )
    days = st.builds(
        Day,
        st.integers(-1, 6).map(lambda ago: today - timedelta(days=ago)),
        st.sampled_from(COMMUNITIES),
        *[st.integers(0, 2)] * len(COUNTS),
    )
    classes = st.builds(
        Klass,
        st.sampled_from(list(PARENT)),
        st.sampled_from(ClassificationSource.values),
        st.none() | when,
        st.booleans(),
        st.none() | st.sampled_from(EvidenceStatus.values),
    )
    tags = st.tuples(st.sampled_from(TAGS), st.booleans())
    tiers = st.tuples(st.sampled_from(SCHEMES), st.integers(0, 4), st.booleans())
    consents = st.tuples(
        st.sampled_from(PURPOSES), st.sampled_from(["granted", "denied", "withdrawn"])
    )
    scores = st.tuples(st.sampled_from(COMMUNITIES), st.sampled_from([0.0, 0.285, 0.29, 0.5, 1.0]))
    worths = st.builds(
        Worth,
        st.sampled_from(["champions", "hibernating", ""]),
        *[st.integers(0, 5)] * 3,
        st.sampled_from(["high", "none"]),
        st.none() | st.integers(0, 5),
        st.sampled_from(["creator", "dormant"]),
    )
    return Facts(
        orders=draw(st.lists(orders, **some)),
        days=draw(st.lists(days, max_size=5, unique_by=lambda day: (day.day, day.community))),
        stays=draw(stays(when)),
        classes=draw(
            st.lists(classes, **some, unique_by=lambda one: (one.value, one.source, one.is_ended))
        ),
        tags=draw(st.lists(tags, **some, unique=True)),
        tiers=draw(st.lists(tiers, **some, unique_by=lambda tier: (tier[0], tier[2]))),
        consents=draw(st.lists(consents, **some)),
        scores=draw(st.lists(scores, **some, unique_by=lambda score: score[0])),
        worth=draw(st.none() | worths),
    )


@st.composite
def worlds(draw):
    zone, now = draw(st.sampled_from(ZONES)), draw(st.sampled_from(NOWS))
    return zone, now, draw(st.lists(facts(zone, now), min_size=1, max_size=4))


# --- Rows ---------------------------------------------------------------------------------------


@dataclass
class Stage:
    """An enterprise with everything that facts and criteria can name."""

    enterprise: Enterprise
    communities: dict[str, Community]
    values: dict[str, ClassificationValue]
    tags: dict[str, Tag]
    tiers: dict[tuple[str, int], Tier]

    def settle(self, everybody: list[Facts]) -> list[Member]:
        members = Member.objects.bulk_create(
            Member(enterprise=self.enterprise, external_id=f"m{next(NUMBERS)}", nickname="")
            for _ in everybody
        )
        for model, rows in ROWS.items():
            model.objects.bulk_create(
                row
                for member, known in zip(members, everybody, strict=True)
                for row in rows(self, member, known)
            )
        return members


NUMBERS = count()
PAST = datetime(2025, 1, 1, tzinfo=UTC)


def stage(zone: str) -> Stage:
    enterprise = EnterpriseFactory(time_zone=zone)
    axes, named = {}, {}
    for code in PARENT:
        axis, _colon, value = code.partition(":")
        if axis not in axes:
            axes[axis] = ClassificationAxis.objects.create(
                enterprise=enterprise, code=axis, name=axis
            )
        named[code] = ClassificationValue.objects.create(
            axis=axes[axis], code=value, name=value, parent=named.get(PARENT[code])
        )
    schemes = [
        TierScheme.objects.create(enterprise=enterprise, code=code, name=code) for code in SCHEMES
    ]
    return Stage(
        enterprise,
        {code: CommunityFactory(enterprise=enterprise, code=code) for code in COMMUNITIES},
        named,
        {code: Tag.objects.create(enterprise=enterprise, code=code, name=code) for code in TAGS},
        {
            (scheme.code, rank): Tier.objects.create(scheme=scheme, rank=rank, name=str(rank))
            for scheme in schemes
            for rank in range(5)
        },
    )


def orders_of(stage, member, known):
    for order in known.orders:
        yield Purchase(
            enterprise=stage.enterprise,
            member=member,
            source="shop",
            order_number=str(next(NUMBERS)),
            paid_amount=order.paid,
            refunded_amount=order.refunded,
            currency=order.currency,
            paid_at=order.at,
        )


def days_of(stage, member, known):
    for day in known.days:
        yield MemberDay(
            enterprise=stage.enterprise,
            member=member,
            community=stage.communities[day.community],
            day=day.day,
            **{f"{name}_count": getattr(day, name) for name in COUNTS},
        )


def memberships_of(stage, member, known):
    for stay in known.stays:
        yield Membership(
            enterprise=stage.enterprise,
            member=member,
            community=stage.communities[stay.community],
            source=JoinSource.API,
            joined_at=stay.joined,
            left_at=stay.left,
            leave_reason="" if stay.left is None else LeaveReason.SELF,
        )


def scores_of(stage, member, known):
    for community, probability in known.scores:
        yield ChurnScore(
            enterprise=stage.enterprise,
            member=member,
            community=stage.communities[community],
            probability=probability,
            band="low",
            scored_on=PAST.date(),
            model_version="1",
        )


def classes_of(stage, member, known):
    for number, one in enumerate(known.classes):
        yield MemberClassification(
            enterprise=stage.enterprise,
            member=member,
            value=stage.values[one.value],
            source=one.source,
            granted_at=PAST + timedelta(seconds=number),  # tells evidence which one it is
            expires_at=one.expires,
            ended_at=PAST + timedelta(days=1) if one.is_ended else None,
        )


def photos_of(stage, member, known):
    rows = MemberClassification.objects.filter(member=member).order_by("granted_at")
    for row, one in zip(rows, known.classes, strict=True):
        if one.evidence is not None:
            yield Evidence(
                enterprise=stage.enterprise,
                member=member,
                value=row.value,
                photo=f"{next(NUMBERS)}.jpg",
                width=1,
                height=1,
                byte_count=1,
                status=one.evidence,
                classification=row,
            )


def tags_of(stage, member, known):
    for code, is_removed in known.tags:
        removed_at = PAST if is_removed else None
        yield MemberTag(member=member, tag=stage.tags[code], removed_at=removed_at)


def tiers_of(stage, member, known):
    for scheme, rank, is_ended in known.tiers:
        tier = stage.tiers[scheme, rank]
        yield TierAssignment(
            member=member,
            scheme=tier.scheme,
            tier=tier,
            cause=TierCause.ENTERED,
            started_at=PAST,
            ended_at=PAST if is_ended else None,
        )


def consents_of(stage, member, known):
    for purpose, decision in known.consents:
        yield Consent(
            member=member, purpose=purpose, decision=decision, text_version="1", source="page"
        )


def values_of(stage, member, known):
    if known.worth is not None:
        yield MemberValue(
            enterprise=stage.enterprise,
            member=member,
            segment=known.worth.segment,
            recency=known.worth.recency,
            frequency=known.worth.frequency,
            monetary=known.worth.monetary,
            clv_band=known.worth.band,
            clv_amount=known.worth.clv,
            behaviour=known.worth.behaviour,
            computed_on=PAST.date(),
        )


ROWS = {
    Purchase: orders_of,
    MemberDay: days_of,
    Membership: memberships_of,
    ChurnScore: scores_of,
    MemberClassification: classes_of,
    Evidence: photos_of,
    MemberTag: tags_of,
    TierAssignment: tiers_of,
    Consent: consents_of,
    MemberValue: values_of,
}
