"""The demonstration customer, small: every state that an operator should meet is there."""

from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.utils import timezone

from campaigns.models import (
    Broadcast,
    ChurnAlert,
    Delivery,
    Run,
    SandboxMessage,
    WelcomeDelivery,
)
from communities.models import Community, GroupChat, JoinWayDay, SplitPlan, Tier
from members.models import EntryApplication, Evidence, Member, Membership, Stay
from members.selectors.tiers import holds_tier
from scrm.accounts.models import OperatorTask, User
from scrm.demo.arriving import NEARLY
from scrm.demo.history import activity_of, purchases_of
from scrm.demo.people import people
from scrm.demo.seeding import seed_demo


def small_demo():
    seed_demo(members=220, now=timezone.now(), report=lambda text: None)


def test_the_same_seed_gives_the_same_people_and_the_same_lives():
    now = datetime(2026, 11, 22, 6, tzinfo=UTC)

    def lives():
        crowd = list(people(30, seed=7))
        activity = [event for one in crowd for event in activity_of(one, now=now, seed=7)]
        return crowd, activity, [o for one in crowd for o in purchases_of(one, now=now, seed=7)]

    assert lives() == lives()


def test_nothing_happens_in_the_future():
    now = datetime(2026, 11, 22, 1, tzinfo=UTC)

    events = [event for one in people(60, seed=7) for event in activity_of(one, now=now, seed=7)]

    assert max(datetime.fromisoformat(event.occurred_at) for event in events) <= now


@pytest.fixture
def demo(db):
    seed_demo(members=220, now=timezone.now(), report=lambda text: None)


@pytest.mark.slow
def test_the_demo_shows_every_state_keeps_the_books_and_is_made_once(demo, capsys):
    every_state_is_there()
    the_pet_case_is_there()
    the_books_agree()
    assert not User.objects.get(username="admin").has_usable_password()
    before = Member.objects.count()

    call_command("seed_demo")

    assert "没有改动" in capsys.readouterr().out
    assert Member.objects.count() == before == 220 + len(NEARLY)


def every_state_is_there():
    assert statuses(Community) == {"draft", "recruiting", "warming", "active"}
    assert {"in_review", "rejected", "joined"} <= statuses(EntryApplication)
    assert {"paused", "scheduled", "in_review", "draft"} < statuses(Broadcast)
    assert {"open", "acknowledged", "intervening"} <= statuses(ChurnAlert)
    assert "sent" in statuses(WelcomeDelivery)
    assert SandboxMessage.objects.exists()
    refused = EntryApplication.objects.filter(status="rejected", decided_by=None).first()
    assert [clause for clause in refused.clauses if not clause["passed"]]


def the_pet_case_is_there():
    risen, waiting = Member.objects.filter(external_id__startswith="zz-nearly").order_by("pk")
    for member in (risen, waiting):
        refused = EntryApplication.objects.get(member=member, status="rejected")
        found = {one["metric"]: (one["actual"], one["required"]) for one in refused.clauses}
        assert found == {"purchase_count": (2, 3), "post_count": (10, 10)}
    vips = Membership.objects.active().filter(community__code="vip")
    assert (vips.filter(member=risen).exists(), vips.filter(member=waiting).exists()) == (
        True,
        False,
    )
    assert holds_tier(risen, Tier.objects.get(name="星球 VIP"))
    assert not holds_tier(waiting, Tier.objects.get(name="星球 VIP"))
    plan = SplitPlan.objects.get()
    assert {axis.code for axis in plan.axes.all()} == {"region", "breed"}
    assert plan.branches.exists()
    pending = Evidence.objects.pending()
    assert pending.filter(picture_digest__in=proven_pictures()).exists()
    assert JoinWayDay.objects.filter(scan_count__gt=0).exists()
    kinds = set(OperatorTask.objects.open().values_list("kind", flat=True))
    assert {"ungated_join", "review_overdue", "merge"} <= kinds


def proven_pictures():
    return Evidence.objects.filter(status="approved").values("picture_digest")


def the_books_agree():
    for chat in GroupChat.objects.all():
        assert Stay.objects.open().filter(chat=chat).count() == chat.member_count, chat
    assert not Membership.objects.active().exclude(stays__left_at=None).exists()
    for run in Run.objects.all():
        assert Delivery.objects.filter(run=run).count() == run.recipient_count


def statuses(model):
    return set(model.objects.values_list("status", flat=True))
