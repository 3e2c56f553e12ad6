"""Who is whose customer: told by events, read in syncs, and never a guess that looks exact."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from members.models import Follow, Member, MemberIdentity
from members.models.member import IdentityKind
from members.rules.status import Confidence, FollowEnd
from members.signals import contact_added
from scrm.accounts.models import Staff
from scrm.shared.crypto import lookup_digest
from scrm.wecom.models import InboundEvent, ReadRequest
from scrm.wecom.rules.status import EventState, SyncScope, SyncState
from scrm.wecom.services.advancing import advance_sync
from scrm.wecom.services.processing import process_waiting
from scrm.wecom.services.rereading import read_waiting
from scrm.wecom.services.syncing import start_sync
from tests.members.factories import FollowFactory, MemberFactory
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(hours=2)


def company(*staff):
    """With these colleagues. The clock stands still unless something is read: a minute before."""
    simulated = simulated_corp()
    for userid in staff or ("lin.qiao", "zhao.min"):
        simulated.corp.add_staff(userid, userid)
    sync(simulated, SyncScope.DIRECTORY)
    simulated.corp.clock.set(datetime.now(UTC) - LONG_AGO)
    simulated.corp.clock.freeze()
    simulated.corp.outbox.take()
    return simulated


def sync(simulated, scope=SyncScope.CUSTOMERS):
    later(simulated)
    run = start_sync(simulated.connection.pk, scope=scope, actor=None)
    assert not advance_sync(run.pk)
    run.refresh_from_db()
    return run


def later(simulated, minutes=1):
    simulated.corp.clock.advance(60 * minutes)


def hear(simulated, *, reverse=False):
    callbacks = simulated.corp.outbox.take()
    simulated.deliver(callbacks[::-1] if reverse else callbacks)
    process_waiting()


def read(simulated):
    later(simulated)
    ReadRequest.objects.update(due_at="2020-01-01T00:00Z", ripe_at="2020-01-01T00:00Z")
    read_waiting()


def only_follow():
    return Follow.objects.get()


# --- Syncs ----------------------------------------------------------------------------------------


def test_a_sync_brings_customers_and_who_follows_them():
    simulated = company()
    corp = simulated.corp
    wang = corp.add_customer("王小姐", staff="lin.qiao", state="expo", unionid="o-wang")
    corp.add_contact("zhao.min", wang, add_way=16)
    corp.add_customer("李先生", staff="zhao.min", type=2)
    added_at = corp.clock.now()

    run = sync(simulated)

    assert run.state == SyncState.COMPLETED, run.reason
    assert run.counts["customers"]["seen"] == run.counts["customers"]["added"] == 3
    member = Member.objects.get(nickname="王小姐")
    follow = member.follows.get(staff__external_id="lin.qiao")
    assert (follow.external_userid, follow.state) == (wang, "expo")
    assert follow.began_at == added_at.replace(microsecond=0)
    assert follow.began_confidence == Confidence.EXACT
    assert {each.add_way for each in member.follows.all()} == {1, 16}
    kinds = member.identities.values_list("kind", flat=True)
    assert set(kinds) == {IdentityKind.EXTERNAL_USERID, IdentityKind.UNIONID}


def test_a_second_sync_finds_nothing_new():
    simulated = company()
    simulated.corp.add_customer("王小姐", staff="lin.qiao")
    sync(simulated)
    before = Follow.objects.values().get()

    run = sync(simulated)

    after = Follow.objects.values().get()
    assert run.drift == {}
    assert {k: v for k, v in after.items() if k != "seen_at"} == {
        k: v for k, v in before.items() if k != "seen_at"
    }
    assert after["seen_at"] >= before["seen_at"]


def test_many_customers_come_page_by_page_and_survive_kills():
    simulated = company()
    for number in range(130):
        simulated.corp.add_customer(f"客户{number}", staff=("lin.qiao", "zhao.min")[number % 2])
    run = start_sync(simulated.connection.pk, scope=SyncScope.CUSTOMERS, actor=None)
    while advance_sync(run.pk, budget=0):
        pass

    run.refresh_from_db()
    assert run.counts["customers"]["added"] == run.counts["customers"]["seen"] == 130
    assert Follow.objects.open().count() == 130


def test_a_page_of_customers_takes_the_same_queries_for_ten_and_for_a_hundred(
    django_assert_max_num_queries,
):
    simulated = company()
    for number in range(100):
        simulated.corp.add_customer(f"客户{number}", staff="lin.qiao")
    run = start_sync(simulated.connection.pk, scope=SyncScope.CUSTOMERS, actor=None)

    with django_assert_max_num_queries(60):
        advance_sync(run.pk)


def test_what_a_complete_list_does_not_show_has_ended_nobody_knows_why():
    simulated = company()
    kept = simulated.corp.add_customer("留下的", staff="lin.qiao")
    gone = simulated.corp.add_customer("走了的", staff="lin.qiao")
    sync(simulated)
    later(simulated)
    simulated.corp.delete_contact("lin.qiao", gone, by="staff")
    simulated.corp.outbox.take()  # lost
    left_at = simulated.corp.clock.now()

    run = sync(simulated)

    assert Follow.objects.get(external_userid=kept).ended_at is None
    ended = Follow.objects.get(external_userid=gone)
    assert ended.end_reason == FollowEnd.UNKNOWN
    assert ended.end_confidence == Confidence.INFERRED
    assert left_at < ended.ended_at < simulated.corp.clock.now() + timedelta(seconds=5)
    assert run.drift == {"customers": {"closed": 1}}


def test_a_list_that_is_not_complete_ends_nothing():
    simulated = company()
    simulated.corp.add_customer("王小姐", staff="lin.qiao")
    simulated.corp.add_customer("李先生", staff="zhao.min")
    sync(simulated)
    Follow.objects.update(seen_at=datetime.now(UTC) - timedelta(hours=1))
    simulated.corp.faults.refuse("externalcontact/batch/get_by_user", 701008, times=2)

    run = sync(simulated)

    assert run.state == SyncState.PARTIAL
    assert "许可" in run.reason
    assert run.counts["customers"]["left_out"] == 1
    assert run.counts["customers"]["seen"] == 1
    assert Follow.objects.open().count() == 2


def test_a_mass_disappearance_is_not_believed():
    simulated = company()
    sync(simulated)
    lin = Staff.objects.get(external_id="lin.qiao")
    for _ in range(25):
        FollowFactory(
            member__enterprise=simulated.enterprise,
            staff=lin,
            channel_account=simulated.connection.account,
            began_at=datetime(2026, 1, 1, tzinfo=UTC),
        )

    run = sync(simulated)

    assert run.state == SyncState.PARTIAL
    assert Follow.objects.open().count() == 25


def test_the_platforms_name_is_the_members_unless_another_system_has_named_them():
    simulated = company()
    theirs = simulated.corp.add_customer("王小姐", staff="lin.qiao")
    ours = simulated.corp.add_customer("李先生", staff="lin.qiao", unionid="o-li")
    named = MemberFactory(enterprise=simulated.enterprise, external_id="CRM-7", nickname="李四")
    MemberIdentity.objects.create(
        enterprise=simulated.enterprise,
        member=named,
        kind=IdentityKind.UNIONID,
        digest=lookup_digest(
            "o-li", purpose=IdentityKind.UNIONID, enterprise_id=simulated.enterprise.pk
        ),
    )
    sync(simulated)
    simulated.corp.rename_person(theirs, "王太太🌸")
    simulated.corp.rename_person(ours, "老李")

    sync(simulated)

    assert Member.objects.get(external_id=theirs).nickname == "王太太🌸"
    named.refresh_from_db()
    assert named.nickname == "李四"
    assert named.follows.count() == 1


# --- Events ---------------------------------------------------------------------------------------


def test_events_tell_when_a_contact_began_and_who_ended_it():
    simulated = company()
    began = simulated.corp.clock.now().replace(microsecond=0)
    wang = simulated.corp.add_customer("王小姐", staff="lin.qiao", state="expo")
    later(simulated)
    simulated.corp.delete_contact("lin.qiao", wang, by="customer")

    hear(simulated, reverse=True)

    follow = only_follow()
    assert (follow.began_at, follow.state) == (began, "expo")
    assert (follow.ended_at, follow.end_reason, follow.end_confidence) == (
        began + timedelta(minutes=1),
        FollowEnd.BY_CUSTOMER,
        Confidence.EXACT,
    )
    read(simulated)
    follow.refresh_from_db()
    assert follow.ended_at == began + timedelta(minutes=1)  # still in the list, and yet gone
    assert follow.member.nickname == "王小姐"
    assert not ReadRequest.objects.exists()


@pytest.mark.parametrize(
    ("by", "reason"), [("staff", FollowEnd.BY_STAFF), ("transfer", FollowEnd.TRANSFERRED)]
)
def test_a_colleague_lets_go_or_hands_over(by, reason):
    simulated = company()
    wang = simulated.corp.add_customer("王小姐", staff="lin.qiao")
    later(simulated)
    simulated.corp.delete_contact("lin.qiao", wang, by=by)

    hear(simulated)

    assert only_follow().end_reason == reason


def test_a_one_sided_contact_is_not_mutual_and_no_list_ends_it():
    simulated = company()
    wang = simulated.corp.add_customer("王小姐", staff="lin.qiao", half=True)
    hear(simulated)
    read(simulated)
    sync(simulated)
    assert only_follow().ended_at is None
    assert not only_follow().is_mutual

    later(simulated)
    simulated.corp.add_contact("lin.qiao", wang)
    hear(simulated)

    half, mutual = Follow.objects.order_by("began_at")
    assert half.end_reason == FollowEnd.MUTUAL
    assert mutual.is_mutual
    assert mutual.ended_at is None


def test_an_edited_remark_is_read():
    simulated = company()
    wang = simulated.corp.add_customer("王小姐", staff="lin.qiao")
    hear(simulated)
    simulated.corp.edit_contact("lin.qiao", wang, remark="展会认识")
    hear(simulated)

    read(simulated)

    assert only_follow().remark == "展会认识"
    assert Follow.objects.count() == 1


def test_a_failed_hand_over_is_ignored_and_says_why():
    simulated = company()
    simulated.corp.announce(
        "change_external_contact",
        ("ChangeType", "transfer_fail"),
        ("FailReason", "customer_refused"),
        ("UserID", "zhao.min"),
        ("ExternalUserID", "wm1"),
    )

    hear(simulated)

    event = InboundEvent.objects.get()
    assert event.state == EventState.IGNORED
    assert event.reason


def test_an_unknown_colleague_gets_a_row_and_is_read():
    simulated = company()
    simulated.corp.add_staff("wang.fei", "王飞")
    simulated.corp.outbox.take()
    simulated.corp.add_customer("王小姐", staff="wang.fei")

    hear(simulated)
    assert only_follow().staff.external_id == "wang.fei"

    read(simulated)
    assert Staff.objects.get(external_id="wang.fei").name == "王飞"


def test_a_new_contact_who_may_be_greeted_is_announced():
    simulated = company()
    heard = []

    def listen(**facts):
        heard.append((facts["follow_id"], facts["occurred_at"], facts["welcome_code"]))

    contact_added.connect(listen)
    try:
        simulated.corp.add_customer("王小姐", staff="lin.qiao")
        hear(simulated)
    finally:
        contact_added.disconnect(listen)

    ((follow_id, occurred_at, code),) = heard
    assert follow_id == only_follow().pk
    assert occurred_at == only_follow().began_at
    assert code


def test_a_reading_ends_what_it_does_not_show():
    simulated = company()
    wang = simulated.corp.add_customer("王小姐", staff="lin.qiao")
    simulated.corp.add_contact("zhao.min", wang)
    hear(simulated)
    read(simulated)
    Follow.objects.update(seen_at=None)
    simulated.corp.delete_contact("zhao.min", wang, by="staff")
    simulated.corp.outbox.take()  # lost
    simulated.corp.edit_contact("lin.qiao", wang, remark="老客户")
    hear(simulated)
    sync(simulated, SyncScope.DIRECTORY)

    read(simulated)

    assert Follow.objects.get(staff__external_id="zhao.min").end_confidence == Confidence.INFERRED
    assert Follow.objects.get(staff__external_id="lin.qiao").ended_at is None


# --- Any history ----------------------------------------------------------------------------------

MOVES = {
    "none": ("add", "half"),
    "half": ("add", "by_staff"),
    "friends": ("by_staff", "by_customer", "transferred"),
    "by_staff": ("add", "half"),
    "transferred": ("add", "half"),
    "by_customer": ("add",),
}
PAIRS, MOST_MOVES = 60, 6
BY = {"by_staff": "staff", "by_customer": "customer", "transferred": "transfer"}


class Story:
    """What happens between one customer and one colleague, and what is true of it."""

    def __init__(self, simulated, number, chance):
        self.corp, self.chance, self.state = simulated.corp, chance, "none"
        self.staff = ("lin.qiao", "zhao.min")[number % 2]
        self.customer = self.corp.add_person(f"客户{number}")
        self.truth = []  # began, ended, reason, is mutual
        self.is_told = True

    def move(self):
        """Something happens; returns what we hear of it."""
        move = self.chance.choice(MOVES[self.state])
        at = self.corp.clock.now().replace(microsecond=0)
        if move in ("add", "half"):
            if self.truth and self.truth[-1][1] is None:
                self.truth[-1][1:3] = [at, FollowEnd.MUTUAL]
            self.truth.append([at, None, "", move == "add"])
            self.corp.add_contact(self.staff, self.customer, half=move == "half")
        else:
            self.truth[-1][1:3] = [at, move]
            self.corp.delete_contact(self.staff, self.customer, by=BY[move])
        self.state = {"add": "friends"}.get(move, move)
        heard = self.corp.outbox.take()
        if move != "by_customer" and self.chance.random() < 0.15:  # no reading shows that one
            self.is_told = False
            return []
        return heard * self.chance.choice((1, 1, 2))


def test_any_order_repetition_and_loss_then_one_sync_tells_what_happened():
    chance = random.Random(random.randrange(2**32))  # of the seed that pytest prints
    simulated = company()
    stories = [Story(simulated, number, chance) for number in range(PAIRS)]
    callbacks = []
    for _ in range(MOST_MOVES):
        for story in chance.sample(stories, PAIRS * 3 // 4):
            later(simulated, 1 / 60)
            callbacks += story.move()
    chance.shuffle(callbacks)
    simulated.deliver(callbacks)
    process_waiting()

    sync(simulated)

    assert not InboundEvent.objects.exclude(state=EventState.PROCESSED).exists()
    for story in stories:
        expect(story, Follow.objects.filter(external_userid=story.customer).order_by("began_at"))


def expect(story, follows):
    told = [[f.began_at, f.ended_at, f.end_reason, f.is_mutual] for f in follows]
    if story.is_told:
        assert told == story.truth
        return
    begins = {began for began, *_ in story.truth}
    ends = {ended for _, ended, *_ in story.truth}
    for follow in follows:
        assert follow.began_confidence != Confidence.EXACT or follow.began_at in begins
        assert follow.end_confidence != Confidence.EXACT or follow.ended_at in ends
    if story.state == "friends":
        assert told[-1] == story.truth[-1]
    elif story.state != "half":
        assert all(ended or not is_mutual for _, ended, _, is_mutual in told)
