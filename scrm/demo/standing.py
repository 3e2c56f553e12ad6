"""What is known of the made-up members: how they are classified, tagged and ranked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from campaigns.services.segmenting import create_segment, draw_segment
from members.criteria import matching
from members.models import Consent, Member, MemberClassification, TierAssignment
from members.rules.standing import ClassificationSource, ConsentDecision, ConsentPurpose
from members.services.tagging import create_tag, tag_members
from members.services.tier_dues import drain_tier_dues
from members.services.tiering_runs import begin_tiering, continue_tiering
from scrm.demo.founding import Founded
from scrm.demo.people import Person
from scrm.demo.world import Json, clause
from scrm.shared.criteria import parse_criterion

BATCH = 5000
KNOWN = 0.94  # of those whose pet and city were asked for, so many answered
TIERING_SECONDS = 600.0
NOT_ASKED, TOOK_BACK = 0.05, 0.03


def classify_people(
    founded: Founded, people: Iterable[Person], members: dict[int, Member], *, seed: int
) -> int:
    """As the file of an older system would have told it, dated back to when they came."""
    random = Random(f"{seed}:classes")
    rows = [
        MemberClassification(
            enterprise=founded.enterprise,
            member=members[person.number],
            value=founded.values[name],
            source=ClassificationSource.IMPORT,
            granted_at=founded.now - timedelta(days=person.known, hours=1),
        )
        for person in people
        for name in (f"region:{person.city}", f"breed:{person.breed}")
        if random.random() < KNOWN
    ]
    MemberClassification.objects.bulk_create(rows, batch_size=BATCH)
    return len(rows)


def ask_for_consent(
    founded: Founded, people: Iterable[Person], members: dict[int, Member], *, seed: int
) -> int:
    """Most agreed to be written to when they came; some said no, some took it back since."""
    random = Random(f"{seed}:consents")
    rows = []
    for person in people:
        came = founded.now - timedelta(days=person.known, hours=1)
        word = random.choices(list(ConsentDecision), weights=(84, 9, 7))[0]
        first = ConsentDecision.DENIED if word is ConsentDecision.DENIED else word.GRANTED
        said = [(first, came)]
        if word is ConsentDecision.WITHDRAWN:
            said.append((word, came + (founded.now - came) * random.random()))
        rows += [
            consent(members[person.number], ConsentPurpose.BROADCAST, decision, at)
            for decision, at in said
        ]
    rows += list(agree_to_profiles(founded, people, members, seed=seed))
    Consent.objects.bulk_create(rows, batch_size=BATCH)
    return len(rows)


def agree_to_profiles(
    founded: Founded, people: Iterable[Person], members: dict[int, Member], *, seed: int
) -> Iterator[Consent]:
    """Nearly all agreed to be told apart; some were not asked, a few took it back."""
    random = Random(f"{seed}:profiles")
    for person in people:
        member, word = members[person.number], random.random()
        came = founded.now - timedelta(days=person.known, hours=1)
        if word < NOT_ASKED:
            continue
        yield consent(member, ConsentPurpose.PROFILING, ConsentDecision.GRANTED, came)
        if word > 1 - TOOK_BACK:
            later = came + (founded.now - came) * random.random()
            yield consent(member, ConsentPurpose.PROFILING, ConsentDecision.WITHDRAWN, later)


def consent(
    member: Member, purpose: ConsentPurpose, decision: ConsentDecision, at: datetime
) -> Consent:
    return Consent(
        member=member,
        purpose=purpose,
        decision=decision,
        text_version="2026-01",
        source="mini-program",
        decided_at=at,
    )


@dataclass(frozen=True)
class Named:
    """A tag put on those who meet a criterion, or the criterion itself under a name."""

    code: str
    name: str
    criterion: Json


TAGS = (
    Named("big-spender", "高客单", clause("purchase_amount", "gte", 80_000, 180)),
    Named("storyteller", "爱晒图", clause("post_count", "gte", 12, 60)),
    Named("quiet", "潜水", {"all": [
        clause("membership_days", "gte", 60), {"not": clause("interaction_count", "gte", 3, 60)},
    ]}),
)  # fmt: skip
SEGMENTS = (
    Named("sleeping-buyers", "沉睡的老客", {"all": [
        clause("purchase_count", "gte", 2), clause("days_since_active", "gte", 30),
    ]}),
    Named("corgi-or-regulars", "柯基家长或活跃买家", {"any": [
        {"all": [clause("purchase_count", "gte", 3, 90), clause("post_count", "gte", 10, 90)]},
        clause("classified_as", "is", "breed:corgi"),
    ]}),
    Named("east-dogs", "华东养狗、可以打扰的人", {"all": [
        clause("classified_as", "is", "region:east"), clause("classified_as", "is", "breed:dog"),
        clause("consented", "is", "broadcast"),
    ]}),
)  # fmt: skip


def tag_people(founded: Founded) -> int:
    tagged = 0
    for spec in TAGS:
        tag = create_tag(code=spec.code, name=spec.name, actor=founded.admin)
        criterion = parse_criterion(spec.criterion)
        chosen = matching(criterion, enterprise=founded.enterprise, now=founded.now)
        tagged += tag_members(tag.pk, members=chosen, actor=founded.users["yunying"])
    return tagged


def name_segments(founded: Founded) -> int:
    for spec in SEGMENTS:
        segment = create_segment(
            code=spec.code,
            name=spec.name,
            criterion=parse_criterion(spec.criterion),
            actor=founded.users["yunying"],
        )
        draw_segment(segment.pk, actor=founded.users["yunying"])
    return len(SEGMENTS)


def rank_people(founded: Founded) -> int:
    """As the night does it. Afterwards nobody is due any more."""
    run = begin_tiering(founded.scheme.pk)
    continue_tiering(founded.scheme.pk, day=run.day, budget=TIERING_SECONDS)
    drain_tier_dues(budget=TIERING_SECONDS)
    return TierAssignment.objects.current().filter(scheme=founded.scheme).count()
