"""Whom criteria, segments, exclusions, named chats and occasions choose."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.errors import SegmentInUse
from campaigns.models import Occasion, Schedule, Segment
from campaigns.rules.status import BroadcastStatus, BroadcastTarget
from campaigns.selectors.audience import Choice, audience_of
from campaigns.selectors.estimates import estimate_audience
from campaigns.services.segmenting import create_segment, edit_segment
from communities.rules.status import ChatState
from members.criteria import matching_chats
from scrm.shared.criteria import (
    CHAT_METRICS,
    Criterion,
    InvalidCriterion,
    parse_criterion,
)
from scrm.shared.criterion_words import describe_stored
from tests.accounts.factories import StaffFactory, UserFactory
from tests.campaigns.broadcasts import BroadcastFactory, due_broadcast, started
from tests.campaigns.factories import SegmentFactory
from tests.communities.factories import (
    ClassificationValueFactory,
    CommunityFactory,
    GroupChatFactory,
)
from tests.members.factories import MemberDayFactory, MembershipFactory, PurchaseFactory
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db

BOUGHT = {"metric": "purchase_count", "op": "gte", "value": 1}
BOUGHT_TWICE = {"metric": "purchase_count", "op": "gte", "value": 2}


@pytest.fixture
def community():
    return CommunityFactory()


def buyer(community, orders):
    member = MembershipFactory(community=community).member
    PurchaseFactory.create_batch(orders, member=member)
    return member.pk


def to(community, **values):
    author = UserFactory(enterprise=community.enterprise)
    return BroadcastFactory(author=author, communities=[community], **values)


def chosen(broadcast, **options):
    audience = audience_of(broadcast, as_of=timezone.now(), **options)
    ids = audience.ids_in(*audience.community_ids)
    return set(ids)


def counted(broadcast):
    estimate = estimate_audience(broadcast, as_of=timezone.now())
    return estimate.recipient_count, {one.reason: one.count for one in estimate.excluded}


def test_segments_are_met_by_who_is_in_any_of_them_and_in_no_excluded_one(community):
    never, once, twice = (buyer(community, orders) for orders in (0, 1, 2))
    enterprise = community.enterprise
    buyers = SegmentFactory(enterprise=enterprise, criterion=BOUGHT)
    regulars = SegmentFactory(enterprise=enterprise, criterion=BOUGHT_TWICE)
    everybody = SegmentFactory(enterprise=enterprise, criterion={})
    broadcast = to(community)

    broadcast.segments.set([buyers])
    assert chosen(broadcast) == {once, twice}
    broadcast.segments.set([regulars, everybody])
    assert chosen(broadcast) == {never, once, twice}
    broadcast.excluded_segments.set([regulars])
    assert chosen(broadcast) == {never, once}
    assert counted(broadcast) == (2, {"excluded": 1})
    broadcast.criterion = BOUGHT
    assert chosen(broadcast) == {once}
    assert counted(broadcast) == (1, {"not_matching": 1, "excluded": 1})


def test_a_form_is_estimated_before_it_is_kept(community):
    never, once = (buyer(community, orders) for orders in (0, 1))
    buyers = SegmentFactory(enterprise=community.enterprise, criterion=BOUGHT)
    kept = to(community)
    kept.pk = None
    choice = Choice([community], excluded_segments=[buyers])

    assert chosen(kept, choice=choice) == {never}
    estimate = estimate_audience(kept, as_of=timezone.now(), choice=choice)
    assert (estimate.recipient_count, estimate.eligible_count) == (1, 2)
    assert once


def test_only_named_chats_and_those_that_the_channel_carries_get_it(community):
    account = ChannelAccountFactory(
        enterprise=community.enterprise, kind="webhook", endpoint="https://example.com/in"
    )
    mine, other = (GroupChatFactory(community=community, channel_account=account) for _ in "12")
    elsewhere = GroupChatFactory(community=community)
    broadcast = to(community, target=BroadcastTarget.CHATS, body="好", channel_account=account)

    assert chosen(broadcast) == {mine.pk, other.pk}
    assert counted(broadcast) == (2, {"other_account": 1})
    broadcast.chats.set([mine, elsewhere])
    assert chosen(broadcast) == {mine.pk}
    assert counted(broadcast) == (1, {"other_account": 1})


def test_a_broadcast_begun_by_facts_goes_to_whom_they_are_about(community):
    somebody, _other = (buyer(community, 0) for _ in range(2))
    broadcast = due_broadcast(members=0, community=community)
    Schedule.objects.create(broadcast=broadcast, kind="birthday", local_time="09:00")
    broadcast.refresh_from_db()
    run = broadcast.runs.create(planned_for=timezone.now())
    Occasion.objects.create(broadcast=broadcast, member_id=somebody, fact="birthday:2026", run=run)

    assert chosen(broadcast, run=run) == {somebody}


def test_a_segment_is_not_redefined_under_a_broadcast_that_was_approved_with_it(community):
    actor = UserFactory(enterprise=community.enterprise)
    segment = SegmentFactory(enterprise=community.enterprise, criterion=BOUGHT)
    broadcast = to(community)
    broadcast.excluded_segments.set([segment])
    edit_segment(segment.pk, actor=actor, criterion=Criterion())
    broadcast.status = BroadcastStatus.IN_REVIEW
    broadcast.save()

    with pytest.raises(SegmentInUse):
        edit_segment(segment.pk, actor=actor, criterion=parse_criterion(BOUGHT_TWICE))


def test_the_audience_is_frozen_with_segments_and_exclusions(community):
    _never, once, _twice = (buyer(community, orders) for orders in (0, 1, 2))
    enterprise = community.enterprise
    broadcast = due_broadcast(members=0, community=community)
    broadcast.segments.set([SegmentFactory(enterprise=enterprise, criterion=BOUGHT)])
    regulars = SegmentFactory(enterprise=enterprise, criterion=BOUGHT_TWICE)
    broadcast.excluded_segments.set([regulars])

    run = started(broadcast)

    assert chosen(broadcast, run=run) == {once}


# --- chats ---


def clause(metric, op, value):
    return {"metric": metric, "op": op, "value": value}


def found(enterprise, raw):
    criterion = parse_criterion(raw, registry=CHAT_METRICS)
    chats = matching_chats(criterion, enterprise=enterprise, now=timezone.now())
    return {chat.pk for chat in chats}


def test_chats_are_chosen_by_what_they_are(community):
    enterprise = community.enterprise
    owner = StaffFactory(enterprise=enterprise)
    value = ClassificationValueFactory(axis__enterprise=enterprise)
    community.classification_values.add(value)
    long_ago = timezone.now() - timedelta(days=100)
    big = GroupChatFactory(
        community=community, owner=owner, member_count=90, capacity=100, founded_at=long_ago
    )
    small = GroupChatFactory(enterprise=enterprise, member_count=10, state=ChatState.FULL)
    MemberDayFactory(community=community, day=(timezone.now() - timedelta(days=40)).date())
    big_only = {big.pk}

    assert found(enterprise, {}) == {big.pk, small.pk}
    assert found(enterprise, clause("chat_owner", "is", str(owner.pk))) == big_only
    assert found(enterprise, clause("chat_owner", "is_not", str(owner.pk))) == {small.pk}
    assert found(enterprise, clause("chat_community", "is", community.code)) == big_only
    code = f"{value.axis.code}:{value.code}"
    assert found(enterprise, clause("chat_classified_as", "is", code)) == big_only
    assert found(enterprise, clause("chat_state", "is", "full")) == {small.pk}
    assert found(enterprise, clause("chat_size", "lt", 50)) == {small.pk}
    assert found(enterprise, clause("chat_fullness", "gte", 90)) == big_only
    assert found(enterprise, clause("chat_age_days", "gte", 99)) == big_only
    assert found(enterprise, clause("chat_age_days", "lt", 99)) == set()
    assert found(enterprise, clause("chat_days_since_active", "gte", 39)) == big_only
    assert found(enterprise, {"not": clause("chat_age_days", "gte", 0)}) == {small.pk}
    both = {"any": [clause("chat_size", "lt", 50), clause("chat_fullness", "gte", 90)]}
    assert found(enterprise, both) == {big.pk, small.pk}


def test_a_criterion_over_chats_speaks_of_chats_only(community):
    with pytest.raises(InvalidCriterion):
        parse_criterion(BOUGHT, registry=CHAT_METRICS)
    actor = UserFactory(enterprise=community.enterprise)
    over_chats = parse_criterion(clause("chat_size", "gte", 5), registry=CHAT_METRICS)

    with pytest.raises(InvalidCriterion):
        create_segment(code="big", name="大群", criterion=over_chats, actor=actor)
    create_segment(
        code="big", name="大群", criterion=over_chats, actor=actor, target=BroadcastTarget.CHATS
    )
    words = describe_stored(Segment.objects.get().criterion, registry=CHAT_METRICS)
    assert words == "群人数 ≥ 5"


def test_a_broadcast_goes_to_the_chats_of_a_segment(community):
    big = GroupChatFactory(community=community, member_count=90)
    GroupChatFactory(community=community, member_count=10)
    segment = SegmentFactory(
        enterprise=community.enterprise,
        target=BroadcastTarget.CHATS,
        criterion=clause("chat_size", "gte", 50),
    )
    broadcast = to(community, target=BroadcastTarget.CHATS, body="{{群名}}好")
    broadcast.segments.set([segment])

    assert chosen(broadcast) == {big.pk}
    assert counted(broadcast) == (1, {"not_matching": 1})
