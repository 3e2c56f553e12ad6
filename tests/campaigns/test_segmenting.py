import itertools
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections
from django.utils import timezone

from campaigns import tasks
from campaigns.errors import CodeTaken, SegmentInUse, SegmentTooLong
from campaigns.models import Segment, SegmentMember
from campaigns.rules.status import BroadcastStatus
from campaigns.services import segmenting
from campaigns.services.segmenting import create_segment, draw_segment, edit_segment
from communities.errors import CriterionRefersToItself, CriterionTooLong
from communities.services.classification_rules import (
    edit_classification_rule,
    set_classification_rule,
)
from communities.services.tiering import edit_tier
from members.criteria import check_member, matching
from scrm.accounts.models import AuditEvent
from scrm.shared.criteria import Criterion, InvalidCriterion, parse_criterion
from scrm.shared.criterion_words import describe_stored
from scrm.shared.errors import DomainError
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import BroadcastFactory
from tests.campaigns.factories import SegmentFactory
from tests.communities.factories import (
    ClassificationAxisFactory,
    ClassificationValueFactory,
    TierFactory,
    TierSchemeFactory,
)
from tests.members.factories import MemberFactory, PurchaseFactory

BOUGHT = {"metric": "purchase_count", "op": "gte", "value": 1}
BOUGHT_TWICE = {"metric": "purchase_count", "op": "gte", "value": 2}
EVERYBODY = Criterion()


def in_segment(code, op="is"):
    return {"metric": "in_segment", "op": op, "value": code}


def criterion(*parts):
    return parse_criterion({"all": list(parts)} if len(parts) > 1 else parts[0])


@pytest.fixture
def actor():
    return UserFactory()


@pytest.fixture
def create(actor):
    def create(code, *parts):
        return create_segment(code=code, name=code, criterion=criterion(*parts), actor=actor)

    return create


def drawn(segment):
    rows = SegmentMember.objects.filter(segment=segment).order_by("member_id")
    return list(rows.values_list("member_id", flat=True))


def buyer(enterprise, orders=1):
    member = MemberFactory(enterprise=enterprise)
    for _ in range(orders):
        PurchaseFactory(member=member)
    return member


@pytest.mark.django_db
def test_a_segment_is_made_edited_and_told_of(actor, create):
    segment = create("buyers", BOUGHT)

    edit_segment(segment.pk, name="买过", criterion=criterion(BOUGHT_TWICE), actor=actor)
    edit_segment(segment.pk, name="买过", criterion=criterion(BOUGHT_TWICE), actor=actor)

    segment.refresh_from_db()
    assert (segment.code, segment.name, segment.criterion) == ("buyers", "买过", BOUGHT_TWICE)
    assert segment.created_by == actor
    verbs = AuditEvent.objects.order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["create_segment", "edit_segment"]


@pytest.mark.django_db
def test_a_code_names_one_segment_of_an_enterprise(create):
    create("buyers", BOUGHT)
    SegmentFactory(code="others")

    with pytest.raises(CodeTaken):
        create("buyers", BOUGHT_TWICE)

    assert create("others", BOUGHT).pk


@pytest.mark.django_db
def test_a_segment_names_only_what_its_enterprise_has(create):
    SegmentFactory(code="strangers")

    with pytest.raises(InvalidCriterion) as refusal:
        create("mine", in_segment("strangers"))

    assert refusal.value.errors[0].code == "unknown_segment"


@pytest.mark.django_db
def test_drawing_replaces_the_list_with_those_who_meet_the_criterion_now(actor, create):
    segment = create("buyers", BOUGHT)
    first, second = buyer(actor.enterprise), buyer(actor.enterprise)
    MemberFactory(enterprise=actor.enterprise)
    PurchaseFactory()
    draw_segment(segment.pk, actor=actor)
    assert drawn(segment) == [first.pk, second.pk]
    first.purchases.all().delete()
    third = buyer(actor.enterprise)

    segment = draw_segment(segment.pk, actor=actor)
    again = draw_segment(segment.pk, actor=actor)

    assert drawn(segment) == [second.pk, third.pk]
    assert (again.member_count, again.draw_asked_at) == (2, None)
    assert again.drawn_at > segment.drawn_at
    assert SegmentMember.objects.count() == 2


@pytest.mark.django_db
def test_another_criterion_makes_the_drawn_list_void_and_another_name_does_not(actor, create):
    segment = create("buyers", BOUGHT)
    draw_segment(segment.pk, actor=actor)

    assert edit_segment(segment.pk, name="买过", actor=actor).drawn_at is not None
    changed = edit_segment(segment.pk, criterion=criterion(BOUGHT_TWICE), actor=actor)

    assert (changed.member_count, changed.drawn_at) == (None, None)


@pytest.mark.django_db
def test_a_large_segment_is_drawn_in_the_background(
    actor, create, monkeypatch, django_capture_on_commit_callbacks
):
    monkeypatch.setattr(segmenting, "AT_ONCE", 1)
    members = [buyer(actor.enterprise) for _ in range(2)]
    segment = create("buyers", BOUGHT)

    with django_capture_on_commit_callbacks() as wake_ups:
        asked = draw_segment(segment.pk, actor=actor)

    assert (len(wake_ups), asked.drawn_at) == (1, None)
    assert segmenting.segments_to_draw() == [segment.pk]
    tasks.draw_segment(segment.pk)
    assert drawn(segment) == [member.pk for member in members]
    assert segmenting.segments_to_draw() == []
    assert not segmenting.draw_asked_segment(segment.pk)


@pytest.mark.django_db
def test_to_be_in_a_segment_is_to_meet_its_criterion_now_and_not_to_be_on_its_list(actor, create):
    segment = create("buyers", BOUGHT)
    draw_segment(segment.pk, actor=actor)
    often = buyer(actor.enterprise, orders=2)
    once = buyer(actor.enterprise)
    never = MemberFactory(enterprise=actor.enterprise)
    now = timezone.now()

    for asked, expected in (
        (criterion(in_segment("buyers")), [often, once]),
        (criterion(in_segment("buyers", "is_not")), [never]),
        (parse_criterion({"not": in_segment("buyers")}), [never]),
        (criterion(in_segment("buyers"), BOUGHT_TWICE), [often]),
        (parse_criterion({"any": [in_segment("buyers", "is_not"), BOUGHT_TWICE]}), [often, never]),
    ):
        found = matching(asked, enterprise=actor.enterprise, now=now)
        assert set(found) == set(expected)
        for member in (often, once, never):
            assert check_member(asked, member, now=now).passed is (member in expected)


@pytest.mark.django_db
def test_segments_can_be_built_from_segments(actor, create):
    create("buyers", BOUGHT)
    create("regulars", in_segment("buyers"), BOUGHT_TWICE)
    often = buyer(actor.enterprise, orders=2)
    buyer(actor.enterprise)

    found = matching(
        criterion(in_segment("regulars")), enterprise=actor.enterprise, now=timezone.now()
    )

    assert list(found) == [often]


@pytest.mark.django_db
def test_nobody_is_in_a_segment_that_is_gone(actor, create):
    segment = create("buyers", BOUGHT)
    buyer(actor.enterprise)
    asked = criterion(in_segment("buyers"))
    Segment.objects.filter(pk=segment.pk).delete()

    assert not matching(asked, enterprise=actor.enterprise, now=timezone.now()).exists()


@pytest.mark.django_db
def test_a_criterion_with_a_segment_reads_as_a_sentence(actor, create):
    create("buyers", BOUGHT)

    words = describe_stored(in_segment("buyers"), enterprise_id=actor.enterprise_id)

    assert "人群包" in words
    assert "buyers" in words


@pytest.mark.django_db
@pytest.mark.parametrize("length", [1, 2, 4])
def test_a_segment_that_refers_to_itself_is_refused_with_the_chain(actor, create, length):
    codes = [f"s{number}" for number in range(length)]
    create(codes[0], BOUGHT)
    for former, code in itertools.pairwise(codes):
        create(code, in_segment(former))
    first = Segment.objects.get(code=codes[0])

    with pytest.raises(CriterionRefersToItself) as refusal:
        edit_segment(first.pk, criterion=criterion(in_segment(codes[-1])), actor=actor)

    chain = [step["code"] for step in refusal.value.details["chain"]]
    assert chain == [codes[0], *reversed(codes[1:]), codes[0]]
    first.refresh_from_db()
    assert first.criterion == BOUGHT


@pytest.mark.django_db
def test_a_rule_that_needs_its_own_axis_is_refused_directly_and_through_segments(actor, create):
    axis = ClassificationAxisFactory(enterprise=actor.enterprise, code="loyalty")
    gold, silver = (ClassificationValueFactory(axis=axis, code=code) for code in ("gold", "silver"))
    is_silver = {"metric": "classified_as", "op": "is", "value": "loyalty:silver"}
    create("silvers", is_silver)
    create("buying-silvers", in_segment("silvers"), BOUGHT)

    for asked in (is_silver, in_segment("silvers"), in_segment("buying-silvers")):
        with pytest.raises(CriterionRefersToItself):
            set_classification_rule(value=gold, criterion=criterion(asked), actor=actor)
    rule = set_classification_rule(value=silver, criterion=criterion(BOUGHT), actor=actor)
    with pytest.raises(CriterionRefersToItself):
        edit_classification_rule(
            rule.pk, criterion=criterion(in_segment("buying-silvers")), actor=actor
        )


@pytest.mark.django_db
def test_a_segment_is_refused_when_a_rule_that_uses_it_would_need_itself(actor, create):
    axis = ClassificationAxisFactory(enterprise=actor.enterprise, code="loyalty")
    gold = ClassificationValueFactory(axis=axis, code="gold")
    segment = create("buyers", BOUGHT)
    set_classification_rule(value=gold, criterion=criterion(in_segment("buyers")), actor=actor)
    is_gold = {"metric": "classified_as", "op": "is_not", "value": "loyalty:gold"}

    with pytest.raises(CriterionRefersToItself) as refusal:
        edit_segment(segment.pk, criterion=criterion(is_gold), actor=actor)

    assert [step["code"] for step in refusal.value.details["chain"]] == [
        "buyers",
        "loyalty",
        "buyers",
    ]


@pytest.mark.django_db
def test_a_segment_is_refused_when_a_tier_that_uses_it_would_need_itself(actor, create):
    scheme = TierSchemeFactory(enterprise=actor.enterprise, code="vip")
    tier = TierFactory(scheme=scheme, rank=1)
    segment = create("buyers", BOUGHT)
    edit_tier(tier.pk, criterion=criterion(in_segment("buyers")), actor=actor)
    has_rank = {"metric": "tier_rank", "op": "gte", "value": 1, "of": "vip"}

    with pytest.raises(CriterionRefersToItself):
        edit_segment(segment.pk, criterion=criterion(has_rank), actor=actor)
    with pytest.raises(CriterionRefersToItself):
        edit_tier(tier.pk, criterion=criterion(has_rank), actor=actor)


@pytest.mark.django_db
def test_written_out_a_segment_has_at_most_fifty_clauses(actor, create):
    create("ten", *[BOUGHT] * 10)
    create("fifty", *[in_segment("ten")] * 4, *[BOUGHT] * 6)

    with pytest.raises(CriterionTooLong):
        create("more", *[in_segment("ten")] * 4, *[BOUGHT] * 7)
    with pytest.raises(CriterionTooLong):
        create("more", in_segment("fifty"))


@pytest.mark.django_db
def test_a_segment_does_not_grow_beyond_what_its_users_can_bear(actor, create):
    ten = create("ten", *[BOUGHT] * 10)
    create("fifty", *[in_segment("ten")] * 4, *[BOUGHT] * 6)

    with pytest.raises(SegmentTooLong) as refusal:
        edit_segment(ten.pk, criterion=criterion(*[BOUGHT] * 11), actor=actor)

    assert "fifty" in refusal.value.message


@pytest.mark.django_db
def test_a_segment_keeps_its_meaning_while_a_broadcast_relies_on_it(actor, create):
    segment = create("buyers", BOUGHT)
    create("regulars", in_segment("buyers"), BOUGHT_TWICE)
    broadcast = BroadcastFactory(
        author=actor, criterion=in_segment("regulars"), status=BroadcastStatus.IN_REVIEW
    )

    with pytest.raises(SegmentInUse) as refusal:
        edit_segment(segment.pk, criterion=criterion(BOUGHT_TWICE), actor=actor)

    assert refusal.value.details == {"broadcasts": [broadcast.pk]}
    assert edit_segment(segment.pk, name="改名", actor=actor).name == "改名"


@pytest.mark.django_db(transaction=True)
def test_two_edits_at_once_do_not_close_a_circle_together():
    actor = UserFactory()
    segments = [SegmentFactory(enterprise=actor.enterprise, code=code) for code in "ab"]
    start = Barrier(2)
    refused = []

    def point(segment, at):
        try:
            start.wait()
            edit_segment(segment.pk, criterion=criterion(in_segment(at)), actor=actor)
        except DomainError as refusal:
            refused.append(refusal.code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(point, segments[0], "b"), pool.submit(point, segments[1], "a")]:
            done.result()

    assert refused == ["criterion_refers_to_itself"]
