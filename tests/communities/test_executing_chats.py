"""Chats are handed over as the platform allows, and only a fresh reading says that it happened."""

from datetime import timedelta
from uuid import uuid4

import pytest

from communities.models import GroupChat, OwnershipTransfer, TransferItem, TransferQuota
from communities.rules.status import ChatPlatformStatus
from communities.rules.transfers import ItemState, Route, TransferStatus
from communities.services.ownership.owning import name_owner
from communities.services.transfers.executing import run_due_transfers, transfers_are_due
from communities.services.transfers.quotas import QuotaLeft, quotas_left, take_quotas
from communities.services.transfers.sending import send_batch
from scrm.shared.clock import database_now
from scrm.wecom.models import ReadRequest
from scrm.wecom.rules.status import ReadKind
from scrm.wecom.services.platform_clock import platform_day, platform_now
from scrm.wecom.services.processing import process_waiting
from tests.communities.executing_worlds import ON_JOB, RESIGNED, Company, items_of, told

pytestmark = pytest.mark.django_db
DAY = 86_400


@pytest.fixture
def company():
    return Company()


@pytest.fixture
def chats(company):
    return [company.chat() for _ in range(3)]


def status_of(transfer):
    return OwnershipTransfer.objects.get(pk=transfer.pk).status


def used(company, giver=None):
    giver = giver or company.giver
    found = quotas_left(company.enterprise.pk, [giver.pk])
    return found.get((company.account.pk, giver.pk), QuotaLeft(0, 300, False)).used


# --- the way of the good case -------------------------------------------------------------------


def test_what_the_platform_took_is_accepted_and_verified_by_a_reading_only(company, chats):
    transfer = company.transfer(chats)

    company.run()
    assert told(transfer) == [("accepted", "")] * 3
    assert status_of(transfer) == TransferStatus.SUCCEEDED
    assert used(company) == 3
    asked = ReadRequest.objects.filter(kind=ReadKind.CHAT)
    assert set(asked.values_list("external_id", flat=True)) == {c.external_id for c in chats}

    company.look()
    assert told(transfer) == [("verified", "")] * 3
    assert status_of(transfer) == TransferStatus.VERIFIED
    for item in items_of(transfer):
        assert item.sent_at <= item.accepted_at < item.verified_at
        assert item.chat.owner == company.receiver
    assert [company.times_handed_over(chat) for chat in chats] == [1, 1, 1]
    assert not transfers_are_due()
    assert not run_due_transfers()


def test_the_reading_that_shows_the_new_owner_ends_the_wait(company, chats):
    transfer = company.transfer(chats)
    company.run()
    TransferItem.objects.filter(transfer=transfer).update(
        due_at=database_now() + timedelta(minutes=30)
    )

    company.corp.clock.advance(2)
    company.read()
    company.run()

    assert told(transfer) == [("verified", "")] * 3


def test_one_call_for_one_receiver_and_a_hundred_chats(company):
    chats = [company.chat(owner) for owner in (company.giver, company.other) * 51]
    transfer = company.transfer(chats)
    company.transfer([company.chat()], receiver=company.other)

    calls = company.count_calls(ON_JOB)
    company.run()

    assert calls() == 3  # 100 and 2 for one receiver, 1 for the other
    assert {state for state, _ in told(transfer)} == {"accepted"}
    assert used(company) == 52
    assert used(company, company.other) == 51


def test_chats_of_who_left_are_inherited_and_verified_when_that_is_over(company, chats):
    company.corp.resign_staff("giver")
    transfer = company.transfer(chats, route=Route.RESIGNED)

    company.run()
    company.look(rounds=2)
    assert told(transfer) == [("accepted", "")] * 3

    GroupChat.objects.update(platform_status=ChatPlatformStatus.OWNER_RESIGNED)
    company.wait(company.corp.settings.inheritance_seconds + 1)
    company.look()
    assert told(transfer) == [("verified", "")] * 3
    assert {chat.platform_status for chat in GroupChat.objects.all()} == {"inherited"}


def test_a_giver_who_left_meanwhile_sends_the_item_the_other_way(company, chats):
    company.corp.resign_staff("giver")
    transfer = company.transfer(chats[:1])

    company.run()

    (item,) = items_of(transfer)
    assert (item.state, item.route, item.platform_code) == ("accepted", "resigned", None)
    back = company.transfer([company.chat(company.other)], route=Route.RESIGNED)
    company.run()
    assert items_of(back)[0].route == Route.ON_JOB
    assert used(company) == 1


def test_an_item_is_not_sent_to_and_fro(company, chats):
    company.corp.faults.fail_items(ON_JOB, 90502, share=1.0, times=-1)
    company.corp.faults.fail_items(RESIGNED, 90500, share=1.0, times=-1)
    transfer = company.transfer(chats[:1])

    company.run()

    (item,) = items_of(transfer)
    assert (item.state, item.reason, item.platform_code) == ("failed", "platform_refused", 90500)
    assert item.attempt_count == 2


# --- quotas of the platform's day ---------------------------------------------------------------


def test_what_a_day_does_not_allow_waits_for_the_next_day_of_the_platform(company, chats):
    day = platform_day(platform_now(company.connection))
    take_quotas(company.account.pk, {company.giver.pk: 298}, day=day)
    transfer = company.transfer(chats)

    company.run()
    assert [state for state, _ in told(transfer)] == ["accepted", "accepted", "queued"]
    assert status_of(transfer) == TransferStatus.SUBMITTED
    assert not company.sends_something()
    left = quotas_left(company.enterprise.pk, [company.giver.pk])
    assert left == {(company.account.pk, company.giver.pk): QuotaLeft(300, 0, False)}

    company.wait(DAY)
    company.look()
    assert told(transfer) == [("verified", "")] * 3
    assert used(company) == 1


def test_a_quota_that_another_system_used_up_is_believed(company, chats):
    company.corp.faults.fail_items(ON_JOB, 45009, share=0.5)
    transfer = company.transfer(chats)

    company.run()
    states = dict.fromkeys(told(transfer))
    assert states.keys() == {("accepted", ""), ("queued", "quota_used")}
    quota = TransferQuota.objects.get()
    assert quota.is_exhausted
    assert quota.used == sum(state == "accepted" for state, _ in told(transfer))
    assert max(item.attempt_count for item in items_of(transfer)) <= 1

    company.wait(DAY)
    company.look()
    assert told(transfer) == [("verified", "")] * 3


def test_refusals_use_up_nothing(company, chats):
    company.corp.groups[chats[0].external_id].needs_confirmation = True
    transfer = company.transfer(chats)

    company.run()

    assert used(company) == 2
    assert told(transfer)[0] == ("failed", "platform_refused")


# --- codes of single chats ----------------------------------------------------------------------


CODES = {
    90504: ("accepted", ""),
    90507: ("accepted", ""),
    90508: ("accepted", ""),
    90503: ("failed", "platform_refused"),
    40205: ("failed", "platform_refused"),
    60011: ("failed", "platform_refused"),
    40128: ("failed", "handed_over_too_often"),
    -1: ("queued", "busy"),
    6000: ("queued", "busy"),
    45035: ("queued", "busy"),
    40050: ("unknown", "looking_up"),
    49008: ("unknown", "looking_up"),
    90501: ("unknown", "looking_up"),
    987654: ("unknown", "looking_up"),
}


def test_every_code_of_a_chat_has_its_meaning(company):
    items = {}
    for code in CODES:
        company.corp.faults.fail_items(ON_JOB, code, share=1.0)
        transfer = company.transfer([company.chat()])
        send_batch(company.connection)
        (items[code],) = items_of(transfer)

    assert {code: (item.state, item.reason) for code, item in items.items()} == CODES
    assert all(item.platform_code == code for code, item in items.items())
    assert used(company) == sum(state in {"accepted", "unknown"} for state, _ in CODES.values())


def test_a_code_that_no_table_knows_fails_once_a_reading_shows_the_old_owner(company):
    company.corp.faults.fail_items(ON_JOB, 987654, share=1.0)
    transfer = company.transfer([company.chat()])

    company.run()
    company.wait(15)
    company.look()

    (item,) = items_of(transfer)
    assert (item.state, item.reason) == ("failed", "platform_refused")
    assert item.platform_code == 987654


def test_a_chat_dissolved_in_between_is_gone(company, chats):
    company.corp.dissolve(chats[0].external_id)
    transfer = company.transfer(chats[:1])

    company.run()
    assert told(transfer) == [("unknown", "looking_up")]
    company.look()
    assert told(transfer) == [("gone", "chat_is_gone")]
    assert status_of(transfer) == TransferStatus.VERIFIED


def test_a_chat_known_to_be_dissolved_is_not_sent(company, chats):
    transfer = company.transfer(chats)
    company.corp.dissolve(chats[0].external_id)
    company.simulated.deliver()
    process_waiting()

    company.run()

    assert told(transfer)[0] == ("gone", "chat_is_gone")
    assert [state for state, _ in told(transfer)[1:]] == ["accepted", "accepted"]


# --- receivers ----------------------------------------------------------------------------------


def test_a_receiver_whom_the_platform_refuses_fails_the_whole_call(company):
    for code in (46004, 84074, 40098, 41054, 40143, 40205):
        company.corp.faults.refuse(ON_JOB, code)
        transfer = company.transfer([company.chat(), company.chat()])
        send_batch(company.connection)

        assert told(transfer) == [("failed", "platform_refused")] * 2
        assert {item.platform_code for item in items_of(transfer)} == {code}
        assert status_of(transfer) == TransferStatus.FAILED
    assert used(company) == 0
    assert ReadRequest.objects.filter(kind=ReadKind.STAFF, external_id="receiver").exists()


def test_a_receiver_who_left_meanwhile_blocks_what_was_chosen_for_them(company, chats):
    transfer = company.transfer(chats)
    company.receiver.is_active = False
    company.receiver.save()

    company.run()

    assert told(transfer) == [("blocked", "receiver_inactive")] * 3
    assert [company.times_handed_over(chat) for chat in chats] == [0, 0, 0]
    assert not transfers_are_due()


def test_an_owner_who_is_another_one_by_now_is_not_taken_from(company, chats):
    transfer = company.transfer(chats)
    chats[0].owner = company.other
    chats[0].save(update_fields=["owner"])
    name_owner(chats[0])

    company.run()

    assert [state for state, _ in told(transfer)] == ["blocked", "accepted", "accepted"]
    assert told(transfer)[0] == ("blocked", "owner_changed")


# --- lost answers -------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lose_answer", "truncate"])
def test_a_lost_answer_is_looked_up_and_not_repeated(company, chats, fault):
    getattr(company.corp.faults, fault)(ON_JOB)
    transfer = company.transfer(chats)

    company.run()
    assert told(transfer) == [("unknown", "looking_up")] * 3
    company.run()
    company.look()
    company.wait(15)
    company.look()

    assert told(transfer) == [("verified", "")] * 3
    assert {item.attempt_count for item in items_of(transfer)} == {1}
    assert [company.times_handed_over(chat) for chat in chats] == [1, 1, 1]


def test_what_was_never_done_is_sent_once_more_after_a_fresh_reading(company, chats):
    company.corp.faults.status(ON_JOB, 502)
    transfer = company.transfer(chats)

    company.run()
    assert told(transfer) == [("unknown", "looking_up")] * 3
    company.look(rounds=1)
    assert told(transfer) == [("unknown", "looking_up")] * 3  # too soon to believe a reading
    company.wait(15)
    company.look()

    assert told(transfer) == [("verified", "")] * 3
    assert {item.attempt_count for item in items_of(transfer)} == {2}
    assert used(company) == 3


def test_a_platform_that_never_answers_is_given_up_after_some_attempts(company):
    company.corp.faults.status(ON_JOB, 502, times=-1)
    transfer = company.transfer([company.chat()])
    transfer.items.update(attempt_count=6)

    for _ in range(2):
        company.run()
        company.wait(15)
        company.look(rounds=2)

    (item,) = items_of(transfer)
    assert (item.state, item.reason, item.attempt_count) == ("failed", "no_answer", 8)
    assert used(company) == 1


def test_a_lease_that_ran_out_is_an_unknown_outcome_and_one_that_runs_is_not(company, chats):
    transfer = company.transfer(chats)
    now = database_now()
    leased = {"state": ItemState.SENDING, "sent_at": now - timedelta(seconds=90), "token": uuid4()}
    transfer.items.update(**leased, attempt_count=1, due_at=now - timedelta(seconds=1))
    running = items_of(transfer)[2]
    TransferItem.objects.filter(pk=running.pk).update(due_at=now + timedelta(seconds=30))

    assert transfers_are_due()
    company.run()
    assert told(transfer) == [("unknown", "looking_up")] * 2 + [("sending", "")]
    TransferItem.objects.filter(pk=running.pk).update(due_at=now)
    company.run()
    company.look()
    assert told(transfer) == [("verified", "")] * 3
    assert [company.times_handed_over(chat) for chat in chats] == [1, 1, 1]


def test_a_worker_that_slept_through_its_lease_hands_back_without_a_call(company, chats, settings):
    transfer = company.transfer(chats)
    settings.LEASE_SECONDS = 0

    assert send_batch(company.connection)

    assert told(transfer) == [("queued", "busy")] * 3
    assert {item.attempt_count for item in items_of(transfer)} == {0}
    assert used(company) == 0
    assert [company.times_handed_over(chat) for chat in chats] == [0, 0, 0]


# --- a platform without time ----------------------------------------------------------------------


def test_too_many_calls_park_everything_and_count_for_nothing(company, chats):
    company.corp.faults.refuse(ON_JOB, 45009)
    transfer = company.transfer(chats)
    waiting = company.transfer([company.chat()], receiver=company.other)

    company.run()

    assert told(transfer) == [("queued", "busy")] * 3
    assert told(waiting) == [("queued", "")]
    assert {item.attempt_count for item in items_of(transfer)} == {0}
    assert all(
        item.due_at > database_now() + timedelta(seconds=30)
        for item in items_of(transfer) + items_of(waiting)
    )
    assert used(company) == 0
    assert not TransferQuota.objects.filter(is_exhausted=True).exists()


def test_a_wrong_secret_stops_the_company_and_nothing_is_lost(company, chats):
    company.corp.faults.refuse(ON_JOB, 48002)
    transfer = company.transfer(chats)

    company.run()

    assert told(transfer) == [("queued", "busy")] * 3
    company.connection.refresh_from_db()
    assert company.connection.state == "failing"
    company.hurry()
    company.look()
    assert told(transfer) == [("verified", "")] * 3
    company.connection.refresh_from_db()
    assert company.connection.state == "connected"


def test_a_call_that_is_wrong_is_made_one_by_one_to_find_the_bad_item(company, chats):
    company.corp.faults.refuse(ON_JOB, 40058, times=2)
    transfer = company.transfer(chats)

    company.run()
    company.look()

    assert told(transfer) == [
        ("failed", "platform_refused"),
        ("verified", ""),
        ("verified", ""),
    ]


def test_a_paused_connection_sends_nothing(company, chats):
    transfer = company.transfer(chats)
    company.connection.state = "paused"
    company.connection.save()

    assert not transfers_are_due()
    company.run()

    assert told(transfer) == [("queued", "")] * 3


# --- readings that disagree -----------------------------------------------------------------------


def test_somebody_else_as_owner_is_no_success(company, chats):
    transfer = company.transfer(chats[:1])
    company.run()
    company.corp.groups[chats[0].external_id].owner = "other"

    company.wait(120)
    company.look()

    assert told(transfer) == [("failed", "taken_by_other")]


def test_the_old_owner_is_believed_after_a_day(company, chats):
    transfer = company.transfer(chats[:1])
    company.run()
    company.corp.groups[chats[0].external_id].owner = "giver"

    company.wait(DAY // 2)
    company.look()
    assert told(transfer) == [("accepted", "")]
    company.wait(DAY)
    company.look()
    assert told(transfer) == [("failed", "shows_old_owner")]
    assert status_of(transfer) == TransferStatus.FAILED


def test_a_chat_that_cannot_be_read_is_given_up_after_three_days(company, chats):
    transfer = company.transfer(chats[:1])
    company.run()
    company.corp.faults.refuse("externalcontact/groupchat/get", 60011, times=-1)

    company.wait(4 * DAY)
    company.look()

    assert told(transfer) == [("failed", "no_record")]
