"""What callbacks and readings of groups become in the database, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.models import WelcomeDelivery, WelcomePolicy
from communities.models import EntryPolicy, GroupChat
from communities.rules.kinds import EntryMode
from communities.services.chats import assign_chat
from members.models import Member, MemberIdentity, Membership, Stay
from members.models.member import IdentityKind
from members.rules.status import JoinSource, ObservedBy
from members.services.leaving import leave_community
from members.services.platform.chat_reader import ChatReader
from members.services.platform.people import Person, members_for
from members.services.reviewing import approve_application
from scrm.accounts.models import AuditEvent, OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.shared.crypto import lookup_digest
from scrm.wecom.handlers import NotYet
from scrm.wecom.models import ReadRequest
from scrm.wecom.rules.status import ReadKind
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import CommunityFactory, GroupChatFactory, JoinWayFactory
from tests.members.entry_factories import THREE_PURCHASES, gated, time_to_undo_passes
from tests.members.factories import EntryApplicationFactory, MemberFactory
from tests.members.platform_worlds import Company

pytestmark = pytest.mark.django_db


@pytest.fixture
def company():
    company = Company(beginning=timezone.now() - timedelta(hours=2))
    company.corp.add_staff("lin.qiao", "林乔")
    return company


@pytest.fixture
def corp(company):
    return company.corp


def group(company, community=None, *, members=0, name="会员群", known=True):
    """A group of the platform whose founding is not news; known: as the chat of a community."""
    chat_id = company.corp.create_group("lin.qiao", name, members=members)
    company.events()
    if known:
        GroupChatFactory(
            enterprise=company.enterprise,
            channel_account=company.connection.account,
            external_id=chat_id,
            community=community,
            name="",
        )
    company.wait(60)
    return chat_id


def open_community(company, **fields):
    return CommunityFactory(enterprise=company.enterprise, **fields)


def chat_of(chat_id):
    return GroupChat.objects.get(external_id=chat_id)


def member_of(external_userid):
    return Member.objects.get(external_id=external_userid)


# --- Chats ----------------------------------------------------------------------------------------


def test_an_event_of_an_unknown_chat_makes_it_known_and_has_it_read(company, corp):
    chat_id = corp.create_group("lin.qiao", "会员群")
    company.wait(5)
    (person,) = corp.join(chat_id, count=1)

    assert not company.take()

    chat = chat_of(chat_id)
    assert str(chat) == f"未读取的群 {chat_id}"
    assert (chat.community, chat.read_at, chat.member_count) == (None, None, 1)
    assert Stay.objects.get().member == member_of(person)
    wanted = ReadRequest.objects.get()
    assert (wanted.kind, wanted.external_id) == (ReadKind.CHAT, chat_id)
    assert wanted.wanted_version == corp.truth(chat_id).version


def test_a_reading_brings_the_chat_up_to_date(company, corp):
    owner = StaffFactory(enterprise=company.enterprise, external_id="Lin.Qiao")
    chat_id = group(company, members=2, name="会员群" * 60)
    corp.set_notice(chat_id, "文明发言 🐱")

    counts = company.read(chat_id)

    chat = chat_of(chat_id)
    assert (chat.name, chat.notice) == (("会员群" * 60)[:120], "文明发言 🐱")
    assert (chat.owner, chat.owner_userid) == (owner, "lin.qiao")
    assert (chat.member_count, chat.staff_count, chat.state) == (2, 1, "active")
    assert chat.founded_at == corp.truth(chat_id).created_at
    assert chat.member_version == corp.truth(chat_id).version
    assert (counts.chats, counts.joined, counts.unchanged) == (1, 2, 0)
    assert not AuditEvent.objects.exists()


def test_a_change_of_owner_and_the_end_of_a_chat_are_recorded(company, corp):
    chat_id = group(company, members=1)
    company.read(chat_id)
    corp.add_staff("zhao.min", "赵敏")
    corp.change_owner(chat_id, "zhao.min")
    company.read(chat_id)
    corp.dissolve(chat_id)
    company.take()

    assert list(AuditEvent.objects.order_by("id").values_list("verb", "actor")) == [
        ("follow_owner_change", None),
        ("follow_dissolution", None),
    ]
    chat = chat_of(chat_id)
    assert chat.dissolved_at == corp.truth(chat_id).dissolved_at
    assert (chat.state, chat.member_count, chat.owner) == ("dissolved", 0, None)
    stay = Stay.objects.get()
    assert (stay.leave_reason, stay.leave_confidence) == ("dissolved", "exact")


def test_an_end_that_was_not_told_is_inferred_until_it_is(company, corp):
    chat_id = group(company, members=2)
    company.read(chat_id)
    corp.dissolve(chat_id)
    dismissal = company.events()
    company.wait(600)

    company.read(chat_id)
    assert chat_of(chat_id).is_dissolution_inferred
    assert {stay.leave_confidence for stay in Stay.objects.all()} == {"inferred"}

    company.take(dismissal)
    company.take(dismissal)
    chat = chat_of(chat_id)
    assert (chat.is_dissolution_inferred, chat.dissolved_at) == (
        False,
        corp.truth(chat_id).dissolved_at,
    )
    ends = set(Stay.objects.values_list("left_at", "leave_confidence", "leave_reason"))
    assert ends == {(chat.dissolved_at, "exact", "dissolved")}


def test_a_chat_that_was_only_out_of_sight_comes_back_with_everybody(company, corp):
    community = open_community(company)
    chat_id = group(company, community, members=2)
    company.read(chat_id)
    ChatReader().gone(company.connection, chat_id, refusal=Refusal(49008))
    assert Membership.objects.active().count() == 0

    company.wait(600)
    company.read(chat_id)

    chat = chat_of(chat_id)
    assert (chat.state, chat.dissolved_at, chat.member_count) == ("active", None, 2)
    assert Stay.objects.open().count() == Stay.objects.count() == 2
    assert Membership.objects.active().count() == Membership.objects.count() == 2


class Refusal(Exception):
    def __init__(self, code):
        self.code = code


def test_a_chat_that_we_may_not_see_stays_as_it_was(company):
    chat_id = group(company, members=1)
    company.read(chat_id)

    ChatReader().gone(company.connection, chat_id, refusal=Refusal(90501))

    assert chat_of(chat_id).state == "active"


def test_a_reading_of_another_version_than_the_event_spoke_of_comes_too_early(company):
    chat_id = group(company, members=1)
    reading = company.reading(chat_id)
    known = {"read_at": company.now, "wanted_version": "f" * 32}

    with pytest.raises(NotYet):
        ChatReader().apply(company.connection, reading, **known)
    ChatReader().apply(company.connection, replace(reading, member_version=""), **known)

    assert Stay.objects.count() == 1


def test_a_chat_is_as_large_as_the_platform_lets_it_be(company):
    chat_id = group(company, members=3)
    GroupChat.objects.update(capacity=2)

    company.read(chat_id)

    chat = chat_of(chat_id)
    assert (chat.member_count, chat.staff_count, chat.capacity, chat.state) == (3, 1, 4, "full")


# --- Events ---------------------------------------------------------------------------------------


def test_joining_and_leaving_are_known_to_the_second_with_how_and_why(company, corp):
    chat_id = group(company)
    (scanned,) = corp.join(chat_id, count=1, scene=3)
    (invited,) = corp.join(chat_id, count=1, scene=1)
    company.wait(100)
    corp.leave(chat_id, [scanned])
    corp.remove(chat_id, [invited])

    company.take()

    stays = Stay.objects.order_by("pk").values_list(
        "join_scene", "leave_reason", "join_confidence", "leave_confidence", "observed_by"
    )
    assert list(stays) == [
        ("qr_code", "self", "exact", "exact", "event"),
        ("invited", "removed", "exact", "exact", "event"),
    ]
    (first, _) = corp.truth(chat_id).of(scanned) + corp.truth(chat_id).of(invited)
    assert Stay.objects.order_by("pk")[0].joined_at == first.joined_at


def test_why_several_left_at_once_is_not_told_of_each(company, corp):
    chat_id = group(company)
    people = corp.join(chat_id, count=2)
    company.wait(10)
    corp.remove(chat_id, people)
    company.take()

    assert set(Stay.objects.values_list("leave_reason", "leave_confidence")) == {
        ("unknown", "exact")
    }


def test_a_payload_without_ids_only_asks_for_a_reading(company, corp):
    chat_id = group(company)
    corp.faults.old_payload = True
    corp.join(chat_id, count=2)

    company.take()

    assert not Stay.objects.exists()
    assert ReadRequest.objects.get().wanted_version == ""
    company.read(chat_id)
    assert Stay.objects.open().count() == 2


def test_colleagues_in_a_group_are_counted_and_are_no_members(company, corp):
    chat_id = group(company)
    corp.add_staff("zhao.min", "赵敏")
    corp.add_staff("chen.yu", "陈宇")
    StaffFactory(enterprise=company.enterprise, external_id="Zhao.Min")
    corp.join(chat_id, ["zhao.min", "chen.yu"])  # the second one is not in our directory yet

    company.take()
    company.read(chat_id)

    assert not Member.objects.exists()
    assert (chat_of(chat_id).staff_count, chat_of(chat_id).member_count) == (3, 0)


def test_an_event_without_a_chat_is_of_no_use_and_says_so(company, corp):
    group(company)
    corp.join(next(iter(corp.groups)), count=1)
    (event,) = company.events()

    for odd in ("", "x" * 200):
        useless = company.take([replace(event, fields={**event.fields, "ChatId": odd})])
        assert useless == {event.row_id: "没有有效的群编号。"}
    assert not Stay.objects.exists()


# --- Readings -------------------------------------------------------------------------------------


def test_a_reading_tells_more_about_how_somebody_came(company, corp):
    community = open_community(company)
    chat_id = group(company, community)
    way = JoinWayFactory(community=community)
    inviter = StaffFactory(enterprise=company.enterprise, external_id="LIN.QIAO")
    corp.join(chat_id, count=1, scene=2, inviter="lin.qiao", state=way.code)
    company.take()
    assert Stay.objects.get().join_scene == "invited"

    company.read(chat_id)

    stay = Stay.objects.get()
    assert (stay.join_scene, stay.join_state, stay.join_way) == ("link", way.code, way)
    assert stay.inviter == inviter


def test_a_reading_right_after_a_joining_may_lack_it(company, corp):
    chat_id = group(company, members=1)
    company.read(chat_id)
    corp.faults.read_lag = 3
    (person,) = corp.join(chat_id, count=1)
    company.wait(2)
    company.take()
    company.read(chat_id)

    assert member_of(person).stays.get().left_at is None


def test_who_is_missing_left_at_the_latest_then(company, corp):
    chat_id = group(company, members=2)
    company.read(chat_id)
    gone = next(each for each in corp.groups[chat_id].members if each != "lin.qiao")
    seen_at = company.now
    company.wait(600)
    corp.leave(chat_id, [gone])
    company.events()
    company.wait(60)
    counts = company.read(chat_id)

    stay = member_of(gone).stays.get()
    left_at = corp.truth(chat_id).of(gone)[0].left_at
    assert (stay.leave_reason, stay.leave_confidence) == ("unknown", "inferred")
    assert seen_at - timedelta(seconds=11) < stay.seen_at < left_at < stay.left_at <= company.now
    assert counts.left == 1
    assert chat_of(chat_id).member_count == 1


def test_an_older_reading_than_the_last_is_not_looked_at(company, corp):
    chat_id = group(company, members=1)
    old, at = company.reading(chat_id), company.now
    company.wait(60)
    corp.join(chat_id, count=1)
    corp.rename(chat_id, "新名字")
    company.wait(60)
    company.read(chat_id)

    from members.services.platform.readings import record_chat_readings

    record_chat_readings(company.connection, [old], read_at=at, observed_by=ObservedBy.SYNC)

    assert chat_of(chat_id).name == "新名字"
    assert Stay.objects.open().count() == 2


def test_a_reading_that_shows_nothing_new_costs_a_few_queries(
    company, django_assert_max_num_queries
):
    StaffFactory(enterprise=company.enterprise, external_id="lin.qiao")
    chats = [group(company, members=5) for _ in range(3)]
    company.read(*chats)
    readings = [company.reading(chat_id) for chat_id in chats]
    company.wait(60)

    from members.services.platform.readings import record_chat_readings

    with django_assert_max_num_queries(4):
        counts = record_chat_readings(
            company.connection, readings, read_at=company.now, observed_by=ObservedBy.SYNC
        )
    assert (counts.unchanged, counts.joined) == (3, 0)
    assert GroupChat.objects.filter(read_at__lt=company.now - timedelta(seconds=5)).count() == 0


def test_first_readings_cost_the_same_however_large_the_chats_are(
    company, django_assert_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    community = open_community(company)
    small, large = (group(company, community, members=size) for size in (2, 40))
    with CaptureQueriesContext(connection) as queries:
        company.read(small)
    with django_assert_num_queries(len(queries)):
        company.read(large)


def test_nobody_is_greeted_for_having_been_there_before_we_looked(company, corp):
    community = open_community(company)
    WelcomePolicy.objects.create(enterprise=company.enterprise, body="欢迎", is_active=True)
    corp.settings.group_capacity = 1100
    chat_id = group(company, community, members=1000)

    company.read(chat_id)

    assert Membership.objects.active().count() == 1000
    assert not WelcomeDelivery.objects.exists()
    (told,) = corp.join(chat_id, count=1)
    company.take()
    company.wait(20)
    (unheard,) = corp.join(chat_id, count=1)
    company.wait(20)
    company.read(chat_id)
    greeted = WelcomeDelivery.objects.values_list("stay__member__external_id", flat=True)
    assert set(greeted) == {told, unheard}


# --- People ---------------------------------------------------------------------------------------


def test_a_stranger_gets_a_file_and_its_name_when_it_is_read(company, corp):
    chat_id = group(company)
    person = corp.add_person("小舟 🐈‍⬛" + "很长" * 100, unionid="oUnion1")
    corp.join(chat_id, [person])
    company.take()
    assert member_of(person).nickname == ""

    company.read(chat_id)

    member = member_of(person)
    assert member.nickname == ("小舟 🐈‍⬛" + "很长" * 100)[:120]
    identity = member.identities.get(kind=IdentityKind.EXTERNAL_USERID)
    assert identity.value == person
    assert identity.digest == lookup_digest(
        person, purpose="external_userid", enterprise_id=company.enterprise.pk
    )
    Member.objects.update(nickname="运营改的")
    company.wait(60)
    corp.join(chat_id, count=1)
    company.read(chat_id)
    member.refresh_from_db()
    assert member.nickname == "运营改的"


def test_somebody_known_by_unionid_or_number_keeps_their_file(company, corp):
    by_union, by_number = (
        MemberFactory(enterprise=company.enterprise, external_id=each) for each in ("C1", "wmX9")
    )
    MemberIdentity.objects.create(
        enterprise=company.enterprise,
        member=by_union,
        kind=IdentityKind.UNIONID,
        digest=lookup_digest("oUnion1", purpose="unionid", enterprise_id=company.enterprise.pk),
    )
    elsewhere = MemberFactory(external_id="wmX9")

    found = members_for(
        company.connection,
        {"wmA1": Person("甲", "oUnion1"), "wmX9": Person("乙"), "wmNew": Person("丙")},
    )
    again = members_for(company.connection, {"wmA1": Person(), "wmX9": Person("乙", "oUnion1")})

    assert found["wmA1"] == again["wmA1"] == by_union.pk
    assert found["wmX9"] == again["wmX9"] == by_number.pk
    assert found["wmNew"] == member_of("wmNew").pk
    assert not elsewhere.identities.exists()
    assert by_union.identities.count() == 2


# --- Communities ----------------------------------------------------------------------------------


def test_who_joins_the_chat_of_an_open_community_belongs_to_it_until_they_leave(company, corp):
    community = open_community(company)
    chat_id, second = group(company, community), group(company, community)
    (person,) = corp.join(chat_id, count=1)
    company.wait(30)
    corp.join(second, [person])
    company.take()

    membership = Membership.objects.get()
    assert (membership.source, membership.is_ungated) == (JoinSource.PLATFORM, False)
    assert membership.joined_at == corp.truth(chat_id).of(person)[0].joined_at
    assert membership.stays.count() == 2

    company.wait(30)
    corp.leave(chat_id, [person])
    company.take()
    membership.refresh_from_db()
    assert membership.left_at is None
    company.wait(30)
    corp.remove(second, [person])
    company.take()
    membership.refresh_from_db()
    assert membership.left_at == corp.truth(second).of(person)[0].left_at
    assert membership.leave_reason == "removed"
    assert not OperatorTask.objects.exists()


def test_who_joins_a_gated_community_past_its_gate_is_asked_about(company, corp):
    community = gated(EntryMode.RULE, THREE_PURCHASES, enterprise=company.enterprise)
    EntryPolicy.objects.update(created_at=company.now + timedelta(minutes=3))
    chat_id = group(company, community, members=1)
    company.wait(300)
    (person,) = corp.join(chat_id, count=1)
    company.read(chat_id)
    company.take()

    late = Membership.objects.get(member=member_of(person))
    assert late.is_ungated
    assert OperatorTask.objects.get().object_id == late.pk
    assert Membership.objects.filter(is_ungated=False).count() == 1  # there before the gate was

    company.wait(30)
    corp.leave(chat_id, [person])
    company.take()
    assert OperatorTask.objects.get().status == TaskStatus.DONE


def test_who_was_promised_a_place_takes_it(company, corp):
    community = gated(EntryMode.RULE, THREE_PURCHASES, enterprise=company.enterprise)
    chat_id = group(company, community)
    person = corp.add_person("小舟")
    members_for(company.connection, {person: Person("小舟")})
    application = EntryApplicationFactory(community=community, member=member_of(person))
    approve_application(application.pk, actor=UserFactory(enterprise=company.enterprise))
    time_to_undo_passes()
    promised = Stay.objects.get()
    assert (promised.observed_by, chat_of(chat_id).member_count) == (ObservedBy.PRODUCT, 1)

    company.read(chat_id)
    assert Stay.objects.get().left_at is None
    company.corp.clock.set(timezone.now() + timedelta(seconds=30))
    corp.join(chat_id, [person])
    company.take()

    stay = Stay.objects.get()
    assert (stay.pk, stay.observed_by, stay.left_at) == (promised.pk, ObservedBy.EVENT, None)
    assert stay.joined_at == corp.truth(chat_id).of(person)[0].joined_at
    assert Membership.objects.get() == promised.membership
    assert (chat_of(chat_id).member_count, OperatorTask.objects.count()) == (1, 0)


def test_a_promised_place_that_nobody_takes_is_free_after_a_week(company, corp):
    community = open_community(company)
    chat_id = group(company, community)
    application = EntryApplicationFactory(community=community)
    approve_application(application.pk, actor=UserFactory(enterprise=company.enterprise))
    time_to_undo_passes()

    for days, state in ((6, ""), (8, "never_came")):
        at = timezone.now() + timedelta(days=days)
        company.read(chat_id, read_at=at)
        assert Stay.objects.get().leave_reason == state
    membership = Membership.objects.get()
    assert (membership.leave_reason, membership.left_at) == ("never_came", at)
    assert chat_of(chat_id).member_count == 0


def test_who_was_sent_away_and_is_still_there_has_to_be_removed(company, corp):
    owner = StaffFactory(enterprise=company.enterprise, external_id="lin.qiao")
    community = open_community(company)
    chat_id = group(company, community)
    person = corp.add_person("小舟")
    corp.join(chat_id, [person])
    company.read(chat_id)
    membership = Membership.objects.get()
    leave_community(membership.pk, reason="removed", actor=None)
    left_at = Membership.objects.get().left_at
    assert chat_of(chat_id).member_count == 0

    company.corp.clock.set(timezone.now() + timedelta(minutes=5))
    company.read(chat_id)

    task = OperatorTask.objects.get()
    assert (task.kind, task.assignee) == (TaskKind.STILL_IN_CHAT, owner)
    assert task.title == "小舟 已办理离开，但还在“会员群”里：请群主在企业微信里移出"
    assert Stay.objects.get().left_at is None
    assert chat_of(chat_id).member_count == 1
    membership.refresh_from_db()
    assert membership.left_at == left_at

    corp.remove(chat_id, [person])
    company.take()
    task.refresh_from_db()
    assert task.status == TaskStatus.DONE
    membership.refresh_from_db()
    assert membership.left_at == left_at
    assert Membership.objects.count() == 1
    corp.join(chat_id, [person])
    company.wait(20)
    company.take()
    assert Membership.objects.count() == 2


def test_a_leaving_that_the_platform_confirms_is_told_by_it(company, corp):
    community = open_community(company)
    chat_id = group(company, community)
    (person,) = corp.join(chat_id, count=1)
    company.wait(60)
    company.take()
    leave_community(Membership.objects.get().pk, reason="removed", actor=None)
    corp.remove(chat_id, [person])

    company.take()

    stay, truth = Stay.objects.get(), corp.truth(chat_id).of(person)[0]
    assert (stay.left_at, stay.leave_confidence) == (truth.left_at, "exact")
    assert Membership.objects.get().left_at == truth.left_at
    assert not OperatorTask.objects.exists()


def test_a_time_away_that_is_told_late_divides_the_membership(company, corp):
    community = open_community(company)
    one, other = group(company, community), group(company, community)
    person = corp.add_person("小舟")
    moves = [(corp.join, one), (corp.join, other), (corp.leave, one), (corp.leave, other)]
    for doing, chat_id in [*moves, (corp.join, one)]:
        company.wait(100)
        doing(chat_id, [person])
    events = company.events()

    company.take(events[:3])
    company.take(events[4:])
    assert Membership.objects.count() == 1
    company.take(events[3:4])

    before, after = Membership.objects.order_by("joined_at")
    first, again = corp.truth(one).of(person)
    assert (before.joined_at, before.left_at) == (
        first.joined_at,
        corp.truth(other).of(person)[0].left_at,
    )
    assert (after.joined_at, after.left_at) == (again.joined_at, None)
    assert [stay.membership for stay in Stay.objects.order_by("joined_at")] == [
        before,
        before,
        after,
    ]


def test_who_came_back_begins_another_membership_even_if_the_leaving_was_lost(company, corp):
    chat_id = group(company, open_community(company))
    (person,) = corp.join(chat_id, count=1)
    company.wait(100)
    corp.leave(chat_id, [person])
    company.wait(100)
    corp.join(chat_id, [person])
    joining, _lost, back = company.events()
    company.take([joining])
    company.take([back])

    one, other = Membership.objects.order_by("joined_at")
    assert one.left_at == other.joined_at == corp.truth(chat_id).of(person)[1].joined_at
    assert (one.leave_reason, other.left_at) == ("unknown", None)


def test_a_chat_with_people_in_it_brings_them_into_its_community(company, corp):
    chat_id = group(company, members=3)
    company.read(chat_id)
    gone = next(each for each in corp.groups[chat_id].members if each != "lin.qiao")
    corp.leave(chat_id, [gone])
    company.wait(60)
    company.read(chat_id)
    assert not Membership.objects.exists()
    community = gated(EntryMode.RULE, THREE_PURCHASES, enterprise=company.enterprise)

    assign_chat(
        chat_of(chat_id).pk,
        community=community,
        actor=UserFactory(enterprise=company.enterprise),
    )

    assert Membership.objects.active().count() == Membership.objects.count() == 2
    assert not Membership.objects.filter(is_ungated=True).exists()
    assert member_of(gone).stays.get().membership is None
    assert not OperatorTask.objects.exists()
    corp.leave(chat_id, [each for each in corp.groups[chat_id].members if each != "lin.qiao"])
    company.wait(30)
    company.take()
    assert Membership.objects.active().count() == 0
