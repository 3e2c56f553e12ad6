"""Broadcasts that colleagues confirm on the platform: from the task of each owner to the result of
each chat, with whatever goes wrong on the way."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from campaigns import tasks
from campaigns.errors import CannotRemind, CannotStop, TooManyReminders
from campaigns.models import Delivery, Dispatch
from campaigns.rules.status import BroadcastStatus, BroadcastTarget, RunStatus
from campaigns.services.controlling import cancel_broadcast, halt_broadcast
from campaigns.services.polled_results import Look, claim_awaiting, record_look
from campaigns.services.polling import poll_due_dispatches
from campaigns.services.reminding import remind_dispatch, remind_run
from campaigns.services.retrying import retry_failed
from campaigns.services.stopping import stop_dispatch
from communities.models import GroupChat
from communities.services.ownership.owning import name_owner
from scrm.accounts.models import AuditEvent, OperatorTask, Staff
from scrm.shared.clock import database_now
from scrm.wecom.services.platform_clock import learn_clock
from tests.accounts.factories import UserFactory
from tests.campaigns.wecom_world import (
    QUICK,
    chat_states,
    drain,
    reload,
    retry_now,
    sums_agree,
    wecom_world,
)
from tests.communities.factories import GroupChatFactory
from tests.members.factories import MembershipFactory

CREATE = "externalcontact/add_msg_template"
REMIND = "externalcontact/remind_groupmsg_send"
TASKS = "externalcontact/get_groupmsg_task"

pytestmark = pytest.mark.django_db

AWAITING, DELIVERED = ("awaiting_owner", ""), ("delivered", "")


@pytest.fixture
def world(settings):
    settings.CHANNELS = QUICK
    return wecom_world()


def refs(chats):
    return [chat.external_id for chat in chats]


def states_of(run, chats):
    states = chat_states(run)
    return [states[ref] for ref in refs(chats)]


def dispatch_of(run, sender):
    return Dispatch.objects.get(run=run, sender=sender)


def received(world):
    """chat -> how often a mass message has reached it"""
    return {chat_id: len(times) for chat_id, times in world.corp.received.items()}


# --- the usual way ---


def test_every_owner_is_asked_once_and_each_chat_tells_its_own_result(world):
    lins, wangs = world.owner("lin", chats=3), world.owner("wang")

    run = world.sent()

    assert sorted(next(iter(each.tasks)) for each in world.messages()) == ["lin", "wang"]
    assert set(chat_states(run).values()) == {AWAITING}
    world.look()
    assert set(chat_states(run).values()) == {AWAITING}
    assert sums_agree(run)

    world.tap("lin")
    world.later(minutes=2)
    assert states_of(run, lins) == [DELIVERED] * 3
    assert states_of(run, wangs) == [AWAITING] * 2
    assert dispatch_of(run, "lin").confirmed_at is not None
    assert sums_agree(run)
    assert reload(run).status == RunStatus.SENDING

    world.tap("wang")
    world.later(minutes=2)
    assert set(chat_states(run).values()) == {DELIVERED}
    assert sums_agree(run)
    run = reload(run)
    assert (run.status, run.broadcast.status) == (RunStatus.FINISHED, BroadcastStatus.COMPLETED)
    assert received(world) == dict.fromkeys(refs(lins + wangs), 1)


def test_while_nobody_taps_a_look_costs_one_call(world):
    world.owner("lin")
    run = world.sent()
    world.corp.limiter.minutes.clear()

    world.look()

    counts = {api: window.count for api, window in world.corp.limiter.minutes.items()}
    assert counts == {TASKS: 1}
    assert dispatch_of(run, "lin").poll_count == 1


def test_a_look_is_asked_for_only_when_one_is_due(world, monkeypatch):
    world.owner("lin")
    woken = []
    monkeypatch.setattr(tasks.poll_dispatches, "apply_async", lambda *_, **__: woken.append(1))
    tasks.sweep_polls()
    run = world.sent()
    tasks.sweep_polls()
    assert woken == []  # the first look comes some minutes after the message

    Dispatch.objects.filter(run=run).update(due_at=Now())
    tasks.sweep_polls()
    assert woken == [1]

    tasks.poll_dispatches()
    assert woken == [1]
    assert dispatch_of(run, "lin").poll_count == 1


def test_what_an_owner_leaves_out_is_said_after_a_day(world):
    first, second = world.owner("lin")
    run = world.sent()
    world.tap("lin", only={first.external_id})

    world.later(minutes=2)
    assert states_of(run, [first, second]) == [DELIVERED, AWAITING]

    world.later(hours=24)
    assert states_of(run, [first, second]) == [DELIVERED, ("failed", "left_out_by_owner")]
    assert reload(run).broadcast.status == BroadcastStatus.PARTIALLY_COMPLETED
    assert sums_agree(run)


def test_chats_that_the_platform_does_not_reach_say_why(world):
    gone, full, given, good = world.owner("lin", chats=4)
    world.owner("wang", chats=0)
    world.corp.settings.mass_messages = "day"
    run = world.sent()
    world.corp.dissolve(gone.external_id)
    world.corp.change_owner(given.external_id, "wang")
    world.corp.received[full.external_id] = [world.corp.clock.second()]

    world.tap("lin")
    world.look()

    assert states_of(run, [gone, full, given, good]) == [
        ("failed", "no_contact"),
        ("failed", "over_quota"),
        ("failed", "no_contact"),
        DELIVERED,
    ]
    assert sums_agree(run)


def test_the_results_of_many_chats_are_read_page_by_page(world):
    world.owner("lin", chats=5)
    world.corp.settings.record_rows = 2
    run = world.sent()

    world.tap("lin")
    world.look()

    dispatch = dispatch_of(run, "lin")
    assert (dispatch.delivered_count, dispatch.awaiting_count) == (5, 0)
    assert sums_agree(run)


def test_a_chat_without_a_known_owner_says_so(world):
    orphan = GroupChatFactory(community=world.community, channel_account=world.account)

    run = world.sent()

    assert states_of(run, [orphan]) == [("suppressed", "no_sender")]
    assert world.messages() == []


def test_an_owner_who_changed_before_the_call_fails_by_name_and_can_be_tried_again(world):
    kept, given = world.owner("lin")
    world.owner("wang", chats=0)
    world.corp.change_owner(given.external_id, "wang")

    run = world.sent()

    assert states_of(run, [kept, given]) == [AWAITING, ("failed", "not_reachable")]
    assert sums_agree(run)


# --- nobody confirms ---


def test_who_does_not_confirm_for_a_day_becomes_somebodys_task(world):
    world.owner("lin"), world.owner("wang")
    run = world.sent()
    world.tap("wang")
    world.later(hours=1)
    assert not OperatorTask.objects.exists()

    world.later(hours=24)
    task = OperatorTask.objects.get()
    assert (task.kind, task.status, task.details["count"]) == ("broadcast_unconfirmed", "open", 1)
    assert "群主lin" in task.details["words"]
    assert task.object_id == run.broadcast_id

    world.tap("lin")
    world.look()
    assert OperatorTask.objects.get().status == "done"


def test_after_30_days_it_is_withdrawn_and_expired(world):
    lins, wangs = world.owner("lin"), world.owner("wang")
    run = world.sent()
    world.tap("wang")
    world.look()

    world.later(days=29)
    assert states_of(run, lins) == [AWAITING] * 2
    world.later(days=1)

    assert states_of(run, lins) == [("expired", "not_confirmed")] * 2
    assert states_of(run, wangs) == [DELIVERED] * 2
    assert [message.cancelled for message in world.messages() if "lin" in message.tasks] == [True]
    assert OperatorTask.objects.get().status == "done"
    assert reload(run).status == RunStatus.FINISHED
    assert sums_agree(run)


# --- reminders ---


def reminders(world):
    return sum(len(message.reminded_at) for message in world.messages())


def test_reminders_go_out_at_their_hours_and_no_more(world):
    world.owner("lin"), world.owner("wang")
    run = world.sent(remind_after_hours=[4, 23])
    world.tap("wang")

    world.later(hours=3)
    assert reminders(world) == 0
    world.later(hours=1)
    world.look()
    assert reminders(world) == 1
    world.later(hours=19)
    world.look()
    assert reminders(world) == 2
    assert len(dispatch_of(run, "lin").reminded_at) == 2
    assert dispatch_of(run, "wang").reminded_at == []


def test_one_colleague_can_be_reminded_three_times_in_a_day(world):
    world.owner("lin")
    run = world.sent()
    operator, dispatch = UserFactory(enterprise=world.account.enterprise), dispatch_of(run, "lin")

    for expected in (1, 2, 3):
        remind_dispatch(dispatch.pk, actor=operator)
        while poll_due_dispatches():
            pass
        assert reminders(world) == expected
        assert reload(dispatch).remind_asked_at is None
    with pytest.raises(TooManyReminders):
        remind_dispatch(dispatch.pk, actor=operator)
    with pytest.raises(CannotRemind):
        remind_run(run.pk, actor=operator)
    assert AuditEvent.objects.filter(verb="remind_dispatch").count() == 3


def test_everybody_who_has_not_confirmed_is_reminded_at_once(world):
    for userid in ("lin", "wang", "zhao"):
        world.owner(userid, chats=1)
    run = world.sent()
    world.tap("zhao")
    world.look()

    assert remind_run(run.pk, actor=UserFactory(enterprise=world.account.enterprise)) == 2
    world.look()

    assert reminders(world) == 2
    with pytest.raises(CannotRemind):
        remind_dispatch(dispatch_of(run, "zhao").pk, actor=None)


@pytest.mark.parametrize(("code", "kept"), [(41094, 1), (48002, 0)])
def test_a_refused_reminder_counts_only_if_the_platform_says_too_many(world, code, kept):
    world.owner("lin")
    run = world.sent()
    remind_dispatch(dispatch_of(run, "lin").pk, actor=None)
    world.corp.faults.refuse(REMIND, code)

    world.look()

    dispatch = dispatch_of(run, "lin")
    assert (len(dispatch.reminded_at), dispatch.last_error) == (kept, f"wecom_{code}")
    assert (dispatch.remind_asked_at is None) == bool(kept)


# --- stopping ---


def test_one_owners_task_can_be_stopped_and_the_others_go_on(world):
    lins, wangs = world.owner("lin"), world.owner("wang")
    run = world.sent()

    stop_dispatch(dispatch_of(run, "lin").pk, actor=UserFactory())
    while poll_due_dispatches():
        pass

    assert states_of(run, lins) == [("cancelled", "stopped")] * 2
    assert states_of(run, wangs) == [AWAITING] * 2
    assert [each.cancelled for each in world.messages() if "lin" in each.tasks] == [True]
    assert sums_agree(run)
    with pytest.raises(CannotStop):
        stop_dispatch(dispatch_of(run, "lin").pk, actor=UserFactory())
    world.tap("wang")
    world.look()
    assert reload(run).status == RunStatus.FINISHED


def test_cancelling_withdraws_everywhere_and_what_was_sent_stays_sent(world):
    lins, wangs = world.owner("lin"), world.owner("wang")
    run = world.sent()
    world.tap("lin")

    cancel_broadcast(run.broadcast_id, actor=UserFactory(enterprise=world.account.enterprise))
    while poll_due_dispatches():
        pass

    assert states_of(run, lins) == [DELIVERED] * 2
    assert states_of(run, wangs) == [("cancelled", "stopped")] * 2
    assert {message.cancelled for message in world.messages()} == {True}
    assert sums_agree(run)
    assert reload(run).status == RunStatus.CANCELLED


def test_halting_says_so_on_every_chat_that_was_not_reached(world):
    lins = world.owner("lin")
    run = world.sent()

    halt_broadcast(run.broadcast_id, actor=None, code="quits", reason="退群太多")
    while poll_due_dispatches():
        pass

    assert states_of(run, lins) == [("cancelled", "halted")] * 2
    assert sums_agree(run)


def test_what_was_handed_over_while_it_was_halted_is_withdrawn_too(world):
    lins = world.owner("lin")
    run = world.sent()
    halt_broadcast(run.broadcast_id, actor=None, code="quits", reason="退群太多")
    Dispatch.objects.filter(run=run).update(status="awaiting")  # its answer came a moment later

    world.look()

    assert states_of(run, lins) == [("cancelled", "halted")] * 2


def test_a_stop_during_a_look_is_carried_out_at_the_next(world):
    lins = world.owner("lin")
    run = world.sent()
    Dispatch.objects.filter(run=run).update(due_at=Now())
    looked_at = claim_awaiting()
    stop_dispatch(looked_at.pk, actor=UserFactory())

    assert record_look(looked_at, Look(timedelta(hours=1))) is False

    assert dispatch_of(run, "lin").status == "stopping"
    while poll_due_dispatches():
        pass
    assert states_of(run, lins) == [("cancelled", "stopped")] * 2
    assert dispatch_of(run, "lin").status == "cancelled"


def test_what_an_owner_sent_before_the_stop_but_is_not_told_yet_is_waited_for(world):
    first, second = world.owner("lin")
    run = world.sent()
    world.tap("lin", only={first.external_id})
    stop_dispatch(dispatch_of(run, "lin").pk, actor=UserFactory())

    world.look()
    assert states_of(run, [first, second]) == [DELIVERED, AWAITING]
    world.later(minutes=10)
    assert states_of(run, [first, second]) == [DELIVERED, ("cancelled", "stopped")]


# --- answers that do not come ---


def test_a_lost_answer_never_makes_a_second_task(world):
    lins = world.owner("lin")
    world.corp.faults.lose_answer(CREATE)
    run = world.sent()
    assert len(world.messages()) == 1
    assert dispatch_of(run, "lin").status == "leased"

    retry_now(run)
    drain()

    dispatch = dispatch_of(run, "lin")
    assert len(world.messages()) == 1
    assert (dispatch.status, dispatch.remote_id) == ("awaiting", world.messages()[0].msgid)
    world.tap("lin")
    world.look()
    assert received(world) == dict.fromkeys(refs(lins), 1)


def test_a_call_that_never_arrived_is_made_again(world):
    lins = world.owner("lin")
    world.corp.faults.status(CREATE, 502)
    run = world.sent()

    retry_now(run)
    drain()

    assert len(world.messages()) == 1
    assert states_of(run, lins) == [AWAITING] * 2


def test_a_task_that_is_listed_late_is_found(world):
    world.owner("lin")
    world.corp.settings.listing_seconds = 15.0
    world.corp.faults.lose_answer(CREATE)
    run = world.sent()
    Dispatch.objects.filter(run=run).update(due_at=Now())

    drain()  # at once: too early to say that it is not there
    assert dispatch_of(run, "lin").last_error == "not_listed_yet"
    world.corp.clock.advance(20)
    learn_clock(world.connection)
    retry_now(run)
    drain()

    assert len(world.messages()) == 1
    assert dispatch_of(run, "lin").remote_id == world.messages()[0].msgid


def test_two_tasks_of_one_owner_that_look_alike_are_told_apart(world, settings, monkeypatch):
    lins = world.owner("lin", chats=4)
    monkeypatch.setattr("tests.campaigns.wecom_world.QuickWecomChannel.batch_limit", 2)
    world.corp.faults.lose_answer(CREATE, times=1)
    run = world.sent()
    assert len(world.messages()) == 1  # the second waits until the first is known

    for _ in range(2):
        retry_now(run)
        drain()

    dispatches = Dispatch.objects.filter(run=run)
    assert {each.remote_id for each in dispatches} == {each.msgid for each in world.messages()}
    assert len(world.messages()) == 2
    world.tap("lin")
    world.look()
    assert received(world) == dict.fromkeys(refs(lins), 1)
    assert set(chat_states(run).values()) == {DELIVERED}


def test_too_many_calls_hold_the_run_and_make_nothing_twice(world):
    lins = world.owner("lin")
    world.corp.faults.refuse(CREATE, 45009)
    run = world.sent()

    assert world.messages() == []
    assert dispatch_of(run, "lin").status == "pending"
    assert reload(run).held_until is not None
    assert states_of(run, lins) == [("planned", "")] * 2


def test_an_owner_who_cannot_send_fails_alone(world):
    lins, wangs = world.owner("lin"), world.owner("wang")
    world.corp.edit_staff("lin", follows_customers=False)

    run = world.sent()

    assert states_of(run, lins) == [("failed", "wecom_84074")] * 2
    assert states_of(run, wangs) == [AWAITING] * 2


# --- looks that fail ---


@pytest.mark.parametrize(
    ("code", "minutes"),
    [(45009, 0.9), (41063, 0.4)],
)
def test_a_refused_look_changes_nothing_and_waits(world, code, minutes):
    lins = world.owner("lin")
    run = world.sent()
    world.corp.faults.refuse(TASKS, code, times=-1)

    world.look()

    dispatch = dispatch_of(run, "lin")
    assert states_of(run, lins) == [AWAITING] * 2
    assert dispatch.last_error == f"wecom_{code}"
    assert dispatch.due_at > reload(run).started_at + timedelta(minutes=minutes)
    assert sums_agree(run)


def test_a_task_that_the_platform_does_not_know_fails(world):
    lins = world.owner("lin")
    run = world.sent()
    world.corp.mass_messages.clear()

    world.look()

    assert states_of(run, lins) == [("failed", "wecom_41047")] * 2


def test_whoever_lost_the_lease_of_a_look_writes_nothing(world):
    lins = world.owner("lin")
    run = world.sent()
    world.tap("lin")
    dispatch = dispatch_of(run, "lin")
    dispatch.token = None  # another has it

    assert record_look(dispatch, Look(timedelta(minutes=1))) is None
    assert states_of(run, lins) == [AWAITING] * 2


# --- customers ---


def test_customers_hear_it_from_a_colleague_who_is_their_contact(world):
    world.owner("lin", chats=0), world.owner("wang", chats=0)
    mine, left, theirs = world.customer("lin"), world.customer("lin"), world.customer("wang")
    stranger = MembershipFactory(community=world.community).member

    run = world.sent(target=BroadcastTarget.MEMBERS)

    assert sorted(next(iter(each.tasks)) for each in world.messages()) == ["lin", "wang"]
    userid = left.follows.get().external_userid
    world.corp.delete_contact("lin", userid, by="customer")
    world.tap("lin")
    world.look()
    rows = Delivery.objects.filter(run=run).values_list("recipient_id", "status", "reason")
    states = {pk: (status, reason) for pk, status, reason in rows}
    assert states == {
        mine.pk: DELIVERED,
        left.pk: ("failed", "no_contact"),
        theirs.pk: AWAITING,
        stranger.pk: ("suppressed", "no_sender"),
    }
    assert sums_agree(run)


def test_the_newest_contact_sends(world):
    world.owner("lin", chats=0), world.owner("wang", chats=0)
    member = world.customer("lin")
    userid = member.follows.get().external_userid
    world.corp.add_contact("wang", userid)
    world.follow(member, "wang", userid)

    world.sent(target=BroadcastTarget.MEMBERS)

    assert [list(message.tasks) for message in world.messages()] == [["wang"]]


def test_another_time_on_the_platform_is_a_reason_to_look(world):
    lins = world.owner("lin")
    run = world.sent()
    world.look()
    assert dispatch_of(run, "lin").due_at > database_now()

    world.corp.clock.advance(timedelta(days=31).total_seconds())
    learn_clock(world.connection)
    while poll_due_dispatches():
        pass

    assert states_of(run, lins) == [("expired", "not_confirmed")] * 2


def test_who_failed_is_tried_again_by_whoever_owns_the_chat_now(world):
    kept, given = world.owner("lin")
    world.owner("wang", chats=0)
    world.corp.change_owner(given.external_id, "wang")
    run = world.sent()
    assert states_of(run, [kept, given]) == [AWAITING, ("failed", "not_reachable")]
    wang = Staff.objects.get(external_id="wang")
    GroupChat.objects.filter(pk=given.pk).update(owner=wang, owner_userid="wang")
    name_owner(reload(given))

    retried = retry_failed(
        run.pk, actor=UserFactory(enterprise=world.account.enterprise), reasons=["not_reachable"]
    )
    drain()

    assert retried == 1
    assert [list(message.tasks) for message in world.messages()] == [["lin"], ["wang"]]
    world.tap("lin"), world.tap("wang")
    world.look()
    assert states_of(run, [kept, given]) == [DELIVERED] * 2
    assert sums_agree(run)


def test_what_may_be_anothers_is_not_taken_for_ours(world):
    world.owner("lin")
    world.corp.faults.lose_answer(CREATE, times=2)
    runs = [world.sent(), world.sent()]

    for run in runs:
        retry_now(run)
    drain()

    assert len(world.messages()) == 2  # nothing was repeated
    assert {dispatch_of(run, "lin").last_error for run in runs} == {"alike_in_flight"}
