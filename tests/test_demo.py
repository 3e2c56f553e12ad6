"""The demonstration customer, small: every state that an operator should meet is there."""

import socket
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.utils import timezone

from campaigns.models import (
    Broadcast,
    BroadcastForecast,
    ChurnAlert,
    ContactWelcome,
    Content,
    Delivery,
    Experiment,
    QuitWatch,
    Run,
    RunReport,
    SandboxMessage,
    Schedule,
    SopTask,
    WelcomeDelivery,
    WinbackAction,
)
from campaigns.selectors.progress import counted_deliveries, progress_of
from communities.models import (
    Community,
    GroupChat,
    JoinWayDay,
    OwnershipTransfer,
    ResignationCase,
    SplitPlan,
    Tier,
    TransferItem,
    TransferNotice,
)
from communities.selectors import chats_with_gaps
from members.models import (
    CommunityDay,
    EntryApplication,
    Evidence,
    Member,
    Membership,
    MemberValue,
    ScoreCheck,
    Stay,
    ValueCell,
)
from members.selectors.tiers import holds_tier
from scrm.accounts.models import OperatorTask, User
from scrm.demo.arriving import NEARLY
from scrm.demo.handing_over import GOING, GONE
from scrm.demo.history import activity_of, purchases_of
from scrm.demo.judging import chats_without_cover
from scrm.demo.people import people
from scrm.demo.seeding import seed_demo
from scrm.demo.simulating import simulated_wecom
from scrm.wecom.models import ApiQuota, InboundEvent, ReadRequest, SyncRun, WecomConnection
from scrm.wecom.services.advancing import advance_sync
from scrm.wecom.services.syncing import start_sync

#: By lost callbacks, by others, as a contact only, and of those who left.
PLATFORM_NEWCOMERS = 6 + 3 + 1 + GONE.customers + GOING.customers
MOVED = ("added", "changed", "closed", "new_chats", "joined", "left", "corrected")


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
def simulator(settings, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings.SIMULATOR_PORT = probe.getsockname()[1]
    settings.WECOM_SIMULATOR_URL = f"http://127.0.0.1:{settings.SIMULATOR_PORT}"
    settings.SIMULATOR_IS_OURS = True
    settings.SIMULATOR_STATE = tmp_path / "world.json"


@pytest.fixture
def demo(db, simulator):
    seed_demo(members=220, now=timezone.now(), report=lambda text: None)


@pytest.mark.slow
def test_the_demo_shows_every_state_keeps_the_books_and_is_made_once(demo, capsys):
    every_state_is_there()
    broadcasts_show_what_they_can_do()
    the_nights_have_said_what_is_to_come()
    the_company_is_on_wecom()
    the_pet_case_is_there()
    nobody_who_left_is_forgotten()
    the_books_agree()
    assert not User.objects.get(username="admin").has_usable_password()
    before = Member.objects.count()

    call_command("seed_demo")

    assert "没有改动" in capsys.readouterr().out
    assert Member.objects.count() == before == 220 + len(NEARLY) + PLATFORM_NEWCOMERS


def every_state_is_there():
    assert statuses(Community) == {"draft", "recruiting", "warming", "active"}
    assert {"in_review", "rejected", "joined"} <= statuses(EntryApplication)
    assert {"paused", "scheduled", "in_review", "draft"} < statuses(Broadcast)
    assert {"open", "acknowledged", "intervening"} <= statuses(ChurnAlert)
    assert statuses(WelcomeDelivery) == {"skipped"}  # in chats of WeCom the platform greets
    assert statuses(ContactWelcome) == {"sent"}
    assert SandboxMessage.objects.exists()
    refused = EntryApplication.objects.filter(status="rejected", decided_by=None).first()
    assert [clause for clause in refused.clauses if not clause["passed"]]


def broadcasts_show_what_they_can_do():
    halted = Broadcast.objects.get(status="halted")
    missed = Run.objects.get(status="asked")
    tasks = set(OperatorTask.objects.open().values_list("kind", "object_id"))
    assert {("broadcast_halted", halted.pk), ("broadcast_missed", missed.pk)} < tasks
    assert QuitWatch.objects.filter(run__broadcast=halted, state="tripped").exists()
    assert missed.broadcast.scheduled_at > timezone.now()
    assert statuses(Schedule, "kind") == {"recurring", "festival", "birthday"}
    assert not Broadcast.objects.due(timezone.now()).exists()
    waiting = Broadcast.objects.get(status="in_review", required_approvals=2)
    assert waiting.approvals.filter(decision="approved").count() == 1
    assert statuses(Experiment) == {"ended", "running"}
    report = RunReport.objects.get(run__broadcast__experiment__status="ended")
    assert report.is_final
    assert report.figures["roi"] is not None
    assert report.figures["leaves"][1]["leaves"]
    assert statuses(Content) == {
        "topic", "drafting", "review", "published", "optimised", "retired",
    }  # fmt: skip
    assert statuses(SopTask) == {"done", "open", "planned"}
    suppressed = Delivery.objects.filter(status="suppressed")
    assert {"hold_out", "consent_denied", "consent_withdrawn"} <= statuses(suppressed, "reason")


def the_nights_have_said_what_is_to_come():
    checks = ScoreCheck.objects.filter(scored_count__gt=0)
    assert checks.filter(is_backtest=False).exists()
    assert MemberValue.objects.filter(clv_amount__gt=0).exists()
    assert ValueCell.objects.filter(active_count__isnull=False).exists()
    assert CommunityDay.objects.exclude(figures={}).exists()
    decided = ChurnAlert.objects.filter(status__in=["recovered", "churned"])
    assert decided.filter(is_held_out=True).exists()
    assert WinbackAction.objects.filter(status="done", alert__in=decided).exists()
    forecast = BroadcastForecast.objects.get(run__broadcast__experiment__status="ended")
    assert forecast.actual["inside"]["net"] is not None
    assert forecast.figures["as_of"] <= forecast.run.finished_at.isoformat()


def the_company_is_on_wecom():
    connection = WecomConnection.objects.get()
    assert (connection.platform, connection.state) == ("simulator", "connected")
    assert connection.callback_verified_at
    first, second, *_of_cases = SyncRun.objects.order_by("pk")
    assert (first.state, second.state) == ("completed", "completed")
    for step in (first.counts["customers"], first.counts["groups"]):
        assert not any(step.get(name) for name in MOVED), step
    assert second.drift["groups"] == {"joined": 6, "left": 2}
    inbox = InboundEvent.objects.values_list("state", flat=True)
    assert {"processed", "ignored"} == set(inbox)
    assert not ReadRequest.objects.exists()
    assert ApiQuota.objects.filter(call_count__gt=0).exists()
    with simulated_wecom() as world:
        (corp,) = world.corps.values()
        assert corp.receiver.url.endswith(connection.callback_key)
        again = start_sync(connection.pk, scope="full", actor=None)
        while advance_sync(again.pk):
            pass
    again.refresh_from_db()
    assert (again.state, again.drift) == ("completed", {})


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


def nobody_who_left_is_forgotten():
    gone, going = ResignationCase.objects.order_by("pk")
    assert (gone.status, going.status) == ("closed", "running")
    assert gone.opened_at < gone.closed_at < timezone.now()
    assert statuses(TransferItem, "state") == {"verified", "refused", "accepted", "pending"}
    assert statuses(OwnershipTransfer) == {
        "partially_succeeded",
        "succeeded",
        "awaiting_approval",
    }
    assert statuses(TransferNotice, "state") == {"sent", "skipped"}
    assert chats_without_cover(GroupChat.objects.all()) == []
    assert WecomConnection.objects.get().clock_ahead.total_seconds() == 0


def proven_pictures():
    return Evidence.objects.filter(status="approved").values("picture_digest")


def the_books_agree():
    for chat in GroupChat.objects.all():
        assert Stay.objects.open().filter(chat=chat).count() == chat.member_count, chat
    assert not Membership.objects.active().exclude(stays__left_at=None).exists()
    for run in Run.objects.all():
        counted, told = counted_deliveries(run.pk), progress_of(run.pk)
        assert sum(counted.values()) == told.total == run.recipient_count
        for status in ("delivered", "failed", "suppressed", "cancelled"):
            assert counted[status] == getattr(told, status), (run, status)
        calls = [f"dispatch-{pk}" for pk in run.dispatches.values_list("pk", flat=True)]
        assert SandboxMessage.objects.filter(key__in=calls).count() == told.delivered
    assert chats_with_gaps() == []


def statuses(rows, field="status"):
    return set(getattr(rows, "objects", rows).values_list(field, flat=True))
