"""Who is not written to and why: the same before anything is sent and when it is claimed."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from campaigns.models import (
    Broadcast,
    CommunityPost,
    Delivery,
    FrequencyCap,
    Run,
    SendPolicy,
)
from campaigns.rules.status import BroadcastStatus, BroadcastTarget, RunStatus
from campaigns.selectors import estimates
from campaigns.selectors.estimates import estimate_audience
from campaigns.selectors.guards import Guards
from campaigns.services.draining import drain_slice
from communities.rules.kinds import ContentCategory
from members.models import Member
from members.services.consenting import record_consent
from tests.accounts.factories import EnterpriseFactory
from tests.campaigns.broadcasts import (
    BroadcastFactory,
    drain,
    due_broadcast,
    outbox,
    started,
    states_of,
)
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.entry_factories import BlocklistEntryFactory
from tests.members.factories import MembershipFactory
from tests.members.standing_factories import ConsentFactory

pytestmark = pytest.mark.django_db

BENEFIT, ADVERT, SERVICE = (
    ContentCategory.BENEFIT,
    ContentCategory.ADVERT,
    ContentCategory.SERVICE,
)


@pytest.fixture
def community():
    return CommunityFactory()


def somebody(community, *words):
    """A member of the community who said these things about broadcasts, in this order."""
    member = MembershipFactory(community=community).member
    for decision in words:
        ConsentFactory(member=member, purpose="broadcast", decision=decision)
    return member


def sent(community, **values):
    """The states of the recipients of a broadcast that was sent."""
    run = started(due_broadcast(members=0, community=community, **values))
    drain()
    return states_of(run)


def past_run(community, *, ago=timedelta(hours=1), category=BENEFIT, recipients=(), **values):
    """Somebody was told something before: delivered, unless ``status`` says otherwise."""
    status = values.pop("status", "delivered")
    author = values.pop("author", None)
    broadcast = due_broadcast(
        members=0, community=community, category=category, **({"author": author} if author else {})
    )
    begun = timezone.now() - ago
    Broadcast.objects.filter(pk=broadcast.pk).update(
        status=values.pop("broadcast_status", BroadcastStatus.COMPLETED), **values
    )
    run = Run.objects.create(
        broadcast=broadcast,
        planned_for=begun,
        started_at=begun,
        status=RunStatus.SENDING if status == "planned" else RunStatus.FINISHED,
    )
    Delivery.objects.bulk_create(
        Delivery(run=run, recipient_id=one.pk, status=status) for one in recipients
    )
    return run


def cap(community, *, window="day", limit=1, category="", target="members"):
    return FrequencyCap.objects.create(
        enterprise=community.enterprise,
        target=target,
        window=window,
        limit=limit,
        category=category,
    )


def policy(community, **values):
    return SendPolicy.objects.create(enterprise=community.enterprise, **values)


# --- consent ---


def test_without_a_yes_nothing_but_service_is_sent(community):
    silent, granted = somebody(community), somebody(community, "granted")
    denied, withdrawn = somebody(community, "denied"), somebody(community, "granted", "withdrawn")
    changed = somebody(community, "denied", "granted")

    assert sent(community, category=BENEFIT) == {
        silent.pk: ("suppressed", "no_consent"),
        granted.pk: ("delivered", ""),
        denied.pk: ("suppressed", "consent_denied"),
        withdrawn.pk: ("suppressed", "consent_withdrawn"),
        changed.pk: ("delivered", ""),
    }


def test_service_needs_no_yes_but_honours_a_no(community):
    silent, denied = somebody(community), somebody(community, "denied")
    withdrawn = somebody(community, "granted", "withdrawn")

    assert sent(community, category=SERVICE) == {
        silent.pk: ("delivered", ""),
        denied.pk: ("suppressed", "consent_denied"),
        withdrawn.pk: ("suppressed", "consent_withdrawn"),
    }


def test_an_enterprise_may_ask_for_no_refusal_only(community):
    policy(community, consent_rule="not_refused")
    silent, denied = somebody(community), somebody(community, "denied")

    states = sent(community, category=BENEFIT)

    assert states[silent.pk] == ("delivered", "")
    assert states[denied.pk] == ("suppressed", "consent_denied")


def test_consent_to_something_else_is_none(community):
    member = somebody(community)
    ConsentFactory(member=member, purpose="profiling")

    assert sent(community, category=BENEFIT) == {member.pk: ("suppressed", "no_consent")}


def test_who_withdraws_between_two_batches_is_not_called(community, channel):
    channel.batch_limit = 1
    first, second = (somebody(community, "granted") for _ in range(2))
    run = started(due_broadcast(members=0, community=community, channel_account__kind="fake"))
    withdraw = {"purpose": "broadcast", "decision": "withdrawn"}
    channel.meanwhile = lambda envelope: record_consent(
        second, text_version="1", source="page", **withdraw
    )

    try:
        drain()
    finally:
        del channel.batch_limit

    assert states_of(run) == {
        first.pk: ("delivered", ""),
        second.pk: ("suppressed", "consent_withdrawn"),
    }


# --- blocklist and erasure ---


def test_who_is_blocked_is_not_written_to_not_even_for_service(community):
    everywhere, here, elsewhere, lifted, over = (somebody(community) for _ in range(5))
    other = CommunityFactory(enterprise=community.enterprise)
    past = timezone.now() - timedelta(minutes=1)
    BlocklistEntryFactory(member=everywhere, community=None)
    BlocklistEntryFactory(member=here, community=community)
    BlocklistEntryFactory(member=elsewhere, community=other)
    BlocklistEntryFactory(member=lifted, community=None, lifted_at=past)
    BlocklistEntryFactory(member=over, community=None, expires_at=past)

    states = sent(community)

    assert {pk for pk, state in states.items() if state == ("suppressed", "blocked")} == {
        everywhere.pk,
        here.pk,
    }
    assert {states[one.pk] for one in (elsewhere, lifted, over)} == {("delivered", "")}


def test_who_was_erased_is_not_written_to(community):
    member = somebody(community)
    Member.objects.filter(pk=member.pk).update(erased_at=timezone.now())

    assert sent(community) == {member.pk: ("suppressed", "erased")}


# --- caps ---


def test_who_got_enough_today_gets_no_more(community):
    enough, more = (somebody(community, "granted") for _ in range(2))
    cap(community, limit=1)
    past_run(community, ago=timedelta(seconds=1), recipients=[enough])

    assert sent(community, category=BENEFIT) == {
        enough.pk: ("suppressed", "cap_day"),
        more.pk: ("delivered", ""),
    }


@pytest.mark.parametrize(
    ("window", "ago", "state"),
    [
        ("week", timedelta(days=5), ("suppressed", "cap_week")),
        ("week", timedelta(days=8), ("delivered", "")),
        ("month", timedelta(days=28), ("suppressed", "cap_month")),
        ("month", timedelta(days=31), ("delivered", "")),
    ],
)
def test_a_window_has_an_end(community, window, ago, state):
    member = somebody(community, "granted")
    cap(community, window=window)
    past_run(community, ago=ago, recipients=[member])

    assert sent(community, category=BENEFIT) == {member.pk: state}


def test_a_cap_of_nought_is_no_limit(community):
    member = somebody(community, "granted")
    cap(community, limit=0)
    past_run(community, ago=timedelta(seconds=1), recipients=[member])

    assert sent(community, category=BENEFIT) == {member.pk: ("delivered", "")}


def test_service_messages_are_neither_capped_nor_counted(community):
    member = somebody(community, "granted")
    cap(community, window="week")
    past_run(community, category=SERVICE, recipients=[member])
    assert sent(community, category=BENEFIT) == {member.pk: ("delivered", "")}

    assert sent(community, category=SERVICE) == {member.pk: ("delivered", "")}
    assert sent(community, category=BENEFIT) == {member.pk: ("suppressed", "cap_week")}


def test_a_cap_of_one_category_counts_that_category_only(community):
    member = somebody(community, "granted")
    cap(community, window="week", category=ADVERT)
    past_run(community, category=BENEFIT, recipients=[member])
    assert sent(community, category=ADVERT) == {member.pk: ("delivered", "")}

    assert sent(community, category=BENEFIT) == {member.pk: ("delivered", "")}
    assert sent(community, category=ADVERT) == {member.pk: ("suppressed", "cap_week")}


def test_what_did_not_arrive_is_not_counted(community):
    member = somebody(community, "granted")
    cap(community, window="week")
    for status in ("failed", "suppressed", "cancelled", "expired"):
        past_run(community, recipients=[member], status=status)

    assert sent(community, category=BENEFIT) == {member.pk: ("delivered", "")}


def test_what_waits_for_an_owner_is_counted(community):
    member = somebody(community, "granted")
    cap(community, window="week")
    past_run(community, recipients=[member], status="awaiting_owner")

    assert sent(community, category=BENEFIT) == {member.pk: ("suppressed", "cap_week")}


def test_of_two_runs_at_work_at_once_only_the_first_reaches_who_is_near_a_cap(community):
    member = somebody(community, "granted")
    cap(community, window="week")
    running = {"broadcast_status": BroadcastStatus.RUNNING}
    first = past_run(community, recipients=[member], status="planned", **running)
    second = past_run(community, recipients=[member], status="planned", **running)

    stopped = Guards.of(second.broadcast, now=timezone.now(), run=second)
    allowed = Guards.of(first.broadcast, now=timezone.now(), run=first)

    assert stopped.promised_run_ids == (first.pk,)
    assert allowed.promised_run_ids == ()


def test_a_rehearsal_does_not_use_up_what_people_may_get(community, channel):
    member = somebody(community, "granted")
    cap(community, window="week")
    past_run(community, recipients=[member])  # through the sandbox, which reaches nobody

    assert sent(community, category=BENEFIT, channel_account__kind="fake") == {
        member.pk: ("delivered", "")
    }


def test_chats_have_caps_of_their_own(community):
    full, free = (GroupChatFactory(community=community) for _ in range(2))
    to_chats = {"target": BroadcastTarget.CHATS}
    cap(community, window="week", target="chats")
    past_run(community, recipients=[full], **to_chats)

    assert sent(community, category=BENEFIT, body="{{群名}}好", **to_chats) == {
        full.pk: ("suppressed", "cap_week"),
        free.pk: ("delivered", ""),
    }


def test_the_platform_takes_as_many_a_month_as_it_has_days(community):
    broadcast = BroadcastFactory(
        communities=[community], enterprise=community.enterprise, channel_account__kind="wecom"
    )
    now = datetime(2026, 2, 27, 4, tzinfo=UTC)
    runs = [
        past_run(community, category=SERVICE, channel_account=broadcast.channel_account)
        for _ in range(28)
    ]
    for number, run in enumerate(runs):
        Run.objects.filter(pk=run.pk).update(started_at=now - timedelta(hours=number))
    assert [(one.reason, one.limit) for one in Guards.of(broadcast, now=now).caps] == [
        ("platform_quota", 28)
    ]

    Run.objects.filter(pk=runs[0].pk).update(started_at=datetime(2026, 1, 31, 15, tzinfo=UTC))

    assert Guards.of(broadcast, now=now).caps == ()


# --- communities ---


def test_too_many_adverts_in_a_community_stop_the_next_one(community):
    member = somebody(community, "granted")
    quiet_place = CommunityFactory(enterprise=community.enterprise)
    other = somebody(quiet_place, "granted")
    runs = [past_run(community, category=ADVERT) for _ in range(5)]
    for run in runs:
        CommunityPost.objects.create(community=community, run=run, category=ADVERT)

    broadcast = due_broadcast(members=0, community=community, category=ADVERT)
    broadcast.communities.add(quiet_place)
    run = started(broadcast)
    drain()

    assert states_of(run) == {
        member.pk: ("suppressed", "advert_share"),
        other.pk: ("delivered", ""),
    }
    assert sent(community, category=BENEFIT) == {member.pk: ("delivered", "")}


def test_old_adverts_do_not_count(community):
    member = somebody(community, "granted")
    for _ in range(5):
        run = past_run(community, category=ADVERT)
        CommunityPost.objects.create(
            community=community,
            run=run,
            category=ADVERT,
            posted_at=timezone.now() - timedelta(days=8),
        )

    assert sent(community, category=ADVERT) == {member.pk: ("delivered", "")}


def test_a_community_may_take_fewer_adverts_and_not_every_category(community):
    member = somebody(community, "granted")
    community.advert_share_limit = 0
    community.allowed_categories = [BENEFIT, ADVERT]
    community.save()
    policy(community, advert_minimum_posts=1)

    assert sent(community, category=ADVERT) == {member.pk: ("suppressed", "advert_share")}
    assert sent(community, category=ContentCategory.BRAND) == {
        member.pk: ("suppressed", "category_not_allowed")
    }
    assert sent(community, category=SERVICE) == {member.pk: ("delivered", "")}


def test_somebody_is_reached_through_a_community_that_takes_it(community):
    other = CommunityFactory(enterprise=community.enterprise, allowed_categories=[BENEFIT])
    first, second = sorted([community, other], key=lambda one: one.pk)
    first.allowed_categories, second.allowed_categories = [BENEFIT], []
    first.save()
    second.save()
    member = somebody(first, "granted")
    MembershipFactory(community=second, member=member)
    broadcast = due_broadcast(
        members=0, community=first, category=ContentCategory.EVENT, body="来自{{社群}}"
    )
    broadcast.communities.add(second)
    started(broadcast)
    drain()

    assert outbox(broadcast.channel_account) == [(member.external_id, f"来自{second.name}")]


# --- quiet hours ---


def quiet_now(community):
    local = timezone.now().astimezone(community.enterprise.zone)
    return policy(
        community,
        quiet_from=(local - timedelta(hours=1)).time().replace(tzinfo=None),
        quiet_until=(local + timedelta(hours=1)).time().replace(tzinfo=None),
    )


def test_a_run_waits_until_the_quiet_hours_are_over(community):
    somebody(community, "granted")
    quiet_now(community)
    run = started(due_broadcast(members=0, community=community, category=BENEFIT))
    drain_slice()

    run.refresh_from_db()
    assert run.held_reason == "quiet_hours"
    assert timedelta(minutes=55) < run.held_until - timezone.now() <= timedelta(minutes=61)
    assert {state for state, _reason in states_of(run).values()} == {"planned"}


def test_service_does_not_wait(community):
    member = somebody(community)
    quiet_now(community)

    assert sent(community, category=SERVICE) == {member.pk: ("delivered", "")}


# --- estimate ---


def test_an_estimate_says_beforehand_what_the_claim_will_say(community):
    for words in ((), ("granted",), ("granted",), ("denied",), ("granted", "withdrawn")):
        somebody(community, *words)
    BlocklistEntryFactory(member=somebody(community, "granted"), community=None)
    erased = somebody(community, "granted")
    Member.objects.filter(pk=erased.pk).update(erased_at=timezone.now())
    capped = somebody(community, "granted")
    cap(community)
    past_run(community, ago=timedelta(seconds=1), recipients=[capped])
    other = CommunityFactory(enterprise=community.enterprise)
    MembershipFactory(community=other, member=capped)
    broadcast = due_broadcast(members=0, community=community, category=BENEFIT)
    broadcast.communities.add(other)
    rows = Delivery.objects.count()

    estimate = estimate_audience(broadcast, as_of=timezone.now())

    assert Delivery.objects.count() == rows
    excluded = {one.reason: one.count for one in estimate.excluded}
    assert excluded.pop("in_several_communities") == 1
    run = started(broadcast)
    drain()
    states = list(states_of(run).values())
    assert estimate.recipient_count == len(states) == 8
    assert estimate.will_send_count == states.count(("delivered", "")) == 2
    assert excluded == {
        reason: states.count(("suppressed", reason)) for state, reason in states if reason
    }
    assert set(excluded) == {
        "no_consent",
        "consent_denied",
        "consent_withdrawn",
        "blocked",
        "erased",
        "cap_day",
    }


def test_an_estimate_tells_how_much_of_the_enterprise_it_would_reach(community):
    for _ in range(4):
        somebody(community)
    other = MembershipFactory(community=CommunityFactory(enterprise=community.enterprise)).community
    broadcast = BroadcastFactory(communities=[community], enterprise=community.enterprise)

    part = estimate_audience(broadcast, as_of=timezone.now())
    whole = estimate_audience(broadcast, as_of=timezone.now(), communities=[community, other])

    assert (part.recipient_count, part.eligible_count, part.share) == (4, 5, 0.8)
    assert whole.share == 1.0


def test_an_estimate_of_nobody_is_nought(community):
    broadcast = BroadcastFactory(communities=[community], enterprise=community.enterprise)

    estimate = estimate_audience(broadcast, as_of=timezone.now())

    assert (estimate.recipient_count, estimate.share, estimate.samples) == (0, 0.0, [])


def test_consents_of_another_enterprise_say_nothing_here(community):
    member = somebody(community)
    stranger = MembershipFactory(community=CommunityFactory(enterprise=EnterpriseFactory())).member
    ConsentFactory(member=stranger, purpose="broadcast")

    assert sent(community, category=BENEFIT) == {member.pk: ("suppressed", "no_consent")}


def test_a_large_audience_is_counted_range_by_range(community, monkeypatch):
    members = [somebody(community, "granted") for _ in range(5)]
    members += [somebody(community), somebody(community, "denied")]
    other = CommunityFactory(enterprise=community.enterprise)
    MembershipFactory(community=other, member=members[0])
    broadcast = due_broadcast(members=0, community=community, category=BENEFIT)
    broadcast.communities.add(other)
    whole = estimate_audience(broadcast, as_of=timezone.now())

    monkeypatch.setattr(estimates, "SPAN", 2)

    assert estimate_audience(broadcast, as_of=timezone.now()) == whole
    assert (whole.recipient_count, whole.will_send_count) == (7, 5)
