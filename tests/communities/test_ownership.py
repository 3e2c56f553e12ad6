"""Whom a chat has belonged to, from the day it was founded."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from communities.errors import OwnerIsOnPlatform
from communities.models import (
    GroupChat,
    OwnershipPeriod,
    OwnershipTransfer,
    OwnershipViolation,
    TransferItem,
)
from communities.rules.status import ChatState
from communities.rules.transfers import ItemState, Route, Subject
from communities.services.chats import edit_group_chat, register_group_chat
from members.services.closing import dissolve_memberships
from members.services.platform.chat_reader import ChatReader
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import GroupChatFactory
from tests.members.platform_worlds import Company
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db
GIVER, TAKER = "lin.qiao", "zhao.min"


@pytest.fixture
def company():
    company = Company(beginning=timezone.now() - timedelta(days=2))
    for userid in (GIVER, TAKER):
        company.corp.add_staff(userid, userid)
        StaffFactory(enterprise=company.enterprise, external_id=userid, name=userid)
    return company


@pytest.fixture
def corp(company):
    return company.corp


@pytest.fixture
def read_chat(company):
    """A chat of the giver that has been read once; its founding is no news."""
    chat_id = company.corp.create_group(GIVER, "会员群", members=2)
    company.wait(60)
    company.read(chat_id)
    company.events()
    company.wait(60)
    return chat_id


def periods(chat_id):
    rows = OwnershipPeriod.objects.filter(chat__external_id=chat_id).order_by("began_at", "pk")
    return list(rows.select_related("staff"))


def told(chat_id):
    return [(row.userid, row.cause, row.began_confidence) for row in periods(chat_id)]


def chat_of(chat_id):
    return GroupChat.objects.get(external_id=chat_id)


def holding_item(company, chat_id, receiver, state):
    chat = chat_of(chat_id)
    return TransferItem.objects.create(
        enterprise=company.enterprise,
        transfer=OwnershipTransfer.objects.create(enterprise=company.enterprise),
        subject=Subject.CHAT,
        route=Route.ON_JOB,
        channel_account=chat.channel_account,
        chat=chat,
        giver=chat.owner,
        receiver=company.enterprise.staff.get(external_id=receiver),
        state=state,
    )


# --- Readings -------------------------------------------------------------------------------------


def test_the_first_reading_says_whose_the_chat_has_been_since_its_founding(company, corp):
    chat_id = corp.create_group(GIVER, "会员群")
    founded_at = company.now
    company.wait(3600)
    company.take()
    (unread,) = periods(chat_id)
    assert (unread.staff, unread.cause, unread.ended_at) == (None, "unread", None)

    company.read(chat_id)

    (period,) = periods(chat_id)
    assert (period.staff.external_id, period.userid) == (GIVER, GIVER)
    assert (period.cause, period.began_confidence) == ("first_seen", "inferred")
    assert period.began_at == founded_at.replace(microsecond=0)
    read_at = chat_of(chat_id).read_at
    assert (period.first_seen_at, period.seen_at, period.ended_at) == (read_at, read_at, None)


def test_a_change_that_only_readings_show_is_dated_at_the_latest(company, corp, read_chat):
    last_seen_at = chat_of(read_chat).read_at
    corp.change_owner(read_chat, TAKER)
    company.events()
    company.wait(600)
    company.read(read_chat)

    former, present = periods(read_chat)
    assert former.ended_at == present.began_at == chat_of(read_chat).read_at
    assert former.seen_at == last_seen_at
    assert (present.userid, present.cause, present.began_confidence, present.ended_at) == (
        TAKER,
        "observed",
        "inferred",
        None,
    )


@pytest.mark.parametrize("event_comes_first", [True, False])
def test_an_event_dates_the_change_exactly_whenever_it_comes(
    company, corp, read_chat, event_comes_first
):
    corp.change_owner(read_chat, TAKER)
    changed_at = company.now.replace(microsecond=0)
    company.wait(600)
    events = company.events()
    if event_comes_first:
        company.take(events)
    company.read(read_chat)
    company.take(events)
    company.take(events)

    former, present = periods(read_chat)
    assert former.ended_at == present.began_at == changed_at
    assert present.began_confidence == "exact"


def test_an_event_before_the_first_reading_leaves_an_unknown_owner_before_it(company, corp):
    chat_id = corp.create_group(GIVER, "会员群")
    founded_at = company.now.replace(microsecond=0)
    company.events()
    company.wait(3600)
    corp.change_owner(chat_id, TAKER)
    changed_at = company.now.replace(microsecond=0)
    company.wait(60)
    events = company.events()

    company.read(chat_id)
    assert told(chat_id) == [(TAKER, "first_seen", "inferred")]
    company.take(events)

    unknown, known = periods(chat_id)
    assert (unknown.staff, unknown.cause) == (None, "unread")
    assert (unknown.began_at, unknown.ended_at) == (founded_at, changed_at)
    assert (known.userid, known.began_at, known.began_confidence) == (TAKER, changed_at, "exact")


def test_capitals_and_a_colleague_who_becomes_known_make_no_new_period(company, corp):
    corp.add_staff("new.face", "新人")
    chat_id = corp.create_group("new.face", "会员群")
    company.read(chat_id)
    assert [(row.staff, row.userid) for row in periods(chat_id)] == [(None, "new.face")]

    newcomer = StaffFactory(enterprise=company.enterprise, external_id="New.Face")
    company.wait(60)
    company.read(chat_id)

    (period,) = periods(chat_id)
    assert (period.staff, chat_of(chat_id).owner) == (newcomer, newcomer)


def test_who_was_known_stays_known_when_their_account_is_no_longer_on_file(company, read_chat):
    owner = chat_of(read_chat).owner
    owner.external_id = ""
    owner.save()
    company.wait(60)
    company.corp.rename(read_chat, "新名字")
    company.read(read_chat)

    assert chat_of(read_chat).owner == owner
    assert len(periods(read_chat)) == 1


def test_unchanged_chats_cost_no_query_about_their_owners(
    company, corp, read_chat, django_assert_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    corp.rename(read_chat, "新名字")
    with CaptureQueriesContext(connection) as queries:
        company.read(read_chat)
    assert not [each for each in queries if "ownership" in each["sql"]]


def test_many_changes_in_one_page_cost_as_many_queries_as_two(company, corp):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    chats = [corp.create_group(GIVER, f"群{n}") for n in range(8)]
    company.read(*chats)
    counts = []
    for page in (chats[:2], chats[2:]):
        for chat_id in page:
            corp.change_owner(chat_id, TAKER)
        company.wait(60)
        with CaptureQueriesContext(connection) as queries:
            company.read(*page)
        counts.append(len([each for each in queries if "ownership" in each["sql"]]))
    assert counts[0] == counts[1]


# --- Ends -----------------------------------------------------------------------------------------


def test_the_last_period_ends_with_the_chat_exactly_once_that_is_told(company, corp, read_chat):
    corp.dissolve(read_chat)
    dismissal = company.events()
    ended_at = corp.truth(read_chat).dissolved_at
    company.wait(600)
    company.read(read_chat)
    (period,) = periods(read_chat)
    assert period.ended_at == chat_of(read_chat).dissolved_at > ended_at

    company.take(dismissal)

    (period,) = periods(read_chat)
    assert period.ended_at == ended_at == chat_of(read_chat).dissolved_at


def test_a_chat_that_was_out_of_sight_goes_on_without_a_gap(company, corp, read_chat):
    ChatReader().gone(company.connection, read_chat, refusal=SimpleNamespace(code=49008))
    assert periods(read_chat)[-1].ended_at is not None
    corp.change_owner(read_chat, TAKER)
    company.events()
    company.wait(60)

    company.read(read_chat)

    former, present = periods(read_chat)
    assert former.ended_at == present.began_at == chat_of(read_chat).read_at
    assert present.ended_at is None


def test_the_owner_before_a_known_end_may_still_be_read_late(company, corp, read_chat):
    corp.change_owner(read_chat, TAKER)
    company.wait(60)
    reading, read_at = company.reading(read_chat), company.now
    company.wait(60)
    corp.dissolve(read_chat)
    company.take()

    from members.services.platform.readings import record_chat_readings

    record_chat_readings(company.connection, [reading], read_at=read_at, observed_by="sync")

    former, last = periods(read_chat)
    assert (former.userid, last.userid) == (GIVER, TAKER)
    assert (former.ended_at, last.ended_at) == (last.began_at, corp.truth(read_chat).dissolved_at)


def test_dissolving_a_community_ends_the_ownership_of_its_chats(db):
    chat = GroupChatFactory(community__status="closing")

    dissolve_memberships(chat.community_id)

    assert not OwnershipPeriod.objects.open().exists()


# --- By hand --------------------------------------------------------------------------------------


@pytest.fixture
def by_hand(db):
    actor = UserFactory()
    account = ChannelAccountFactory(enterprise=actor.enterprise)
    return register_group_chat(channel_account=account, external_id="wr1", name="群", actor=actor)


def test_an_owner_who_is_named_first_has_owned_the_chat_from_the_beginning(by_hand):
    staff = StaffFactory(enterprise=by_hand.enterprise)
    actor = UserFactory(enterprise=by_hand.enterprise)

    edit_group_chat(by_hand.pk, actor=actor, owner=staff)

    (period,) = periods("wr1")
    assert (period.staff, period.cause) == (staff, "registered")
    assert period.began_at == GroupChat.objects.get().created_at


def test_owners_written_by_hand_follow_each_other_without_a_gap(by_hand):
    actor = UserFactory(enterprise=by_hand.enterprise)
    first, second = StaffFactory.create_batch(2, enterprise=by_hand.enterprise)
    for owner in (first, first, None, second):
        edit_group_chat(by_hand.pk, actor=actor, owner=owner)

    rows = periods("wr1")
    assert [row.staff for row in rows] == [first, None, second]
    assert [row.ended_at for row in rows] == [rows[1].began_at, rows[2].began_at, None]


def test_the_owner_of_a_chat_that_the_platform_shows_is_not_written_by_hand(company, read_chat):
    actor = UserFactory(enterprise=company.enterprise)
    chat = chat_of(read_chat)
    other = company.enterprise.staff.get(external_id=TAKER)

    for owner in (other, None):
        with pytest.raises(OwnerIsOnPlatform):
            edit_group_chat(chat.pk, actor=actor, owner=owner)
    edit_group_chat(chat.pk, actor=actor, owner=chat.owner, name="新名字")

    assert chat_of(read_chat).owner == chat.owner
    assert len(periods(read_chat)) == 1


def test_a_first_reading_corrects_what_was_written_without_an_alert(company, corp):
    chat_id = corp.create_group(TAKER, "会员群")
    owner = company.enterprise.staff.get(external_id=GIVER)
    GroupChatFactory(
        unassigned=True,
        enterprise=company.enterprise,
        channel_account=company.connection.account,
        external_id=chat_id,
        owner=owner,
    )
    company.wait(60)

    company.read(chat_id)

    assert [(row.staff.external_id, row.cause) for row in periods(chat_id)] == [
        (GIVER, "registered"),
        (TAKER, "first_seen"),
    ]
    assert not OwnershipViolation.objects.exists()


# --- Transfers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [ItemState.QUEUED, ItemState.UNKNOWN, ItemState.ACCEPTED])
def test_a_change_to_the_receiver_of_a_hand_over_is_its_doing(company, corp, read_chat, state):
    item = holding_item(company, read_chat, TAKER, state)
    corp.change_owner(read_chat, TAKER)
    company.wait(60)
    company.read(read_chat)

    former, present = periods(read_chat)
    assert (former.transfer_item, present.transfer_item, present.cause) == (None, item, "transfer")
    assert not OwnershipViolation.objects.exists()


def test_a_hand_over_explains_one_period_only(company, corp, read_chat):
    holding_item(company, read_chat, TAKER, ItemState.ACCEPTED)
    for userid in (TAKER, GIVER, TAKER):
        corp.change_owner(read_chat, userid)
        company.wait(60)
        company.read(read_chat)

    assert [row.cause for row in periods(read_chat)] == [
        "first_seen",
        "transfer",
        "observed",
        "observed",
    ]


# --- The guard ------------------------------------------------------------------------------------


def another_owner(chat, taker):
    GroupChat.objects.filter(pk=chat.pk).update(owner=taker)


def a_new_chat(chat, taker):
    GroupChat.objects.create(
        enterprise=chat.enterprise, channel_account=chat.channel_account, external_id="wr2"
    )


def a_second_period(chat, taker):
    OwnershipPeriod.objects.create(enterprise=chat.enterprise, chat=chat, began_at=timezone.now())


def an_end_of_the_chat(chat, taker):
    GroupChat.objects.filter(pk=chat.pk).update(state=ChatState.DISSOLVED)


def an_end_of_its_period(chat, taker):
    OwnershipPeriod.objects.filter(chat=chat).update(ended_at=timezone.now())


@transaction.atomic
def done_at_once(change, *args):
    change(*args)
    with transaction.get_connection().cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize(
    "change",
    [another_owner, a_new_chat, a_second_period, an_end_of_the_chat, an_end_of_its_period],
)
def test_the_database_refuses_what_the_periods_do_not_say(company, read_chat, change):
    taker = company.enterprise.staff.get(external_id=TAKER)

    with pytest.raises(IntegrityError):
        done_at_once(change, chat_of(read_chat), taker)
