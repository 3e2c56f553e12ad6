"""Whatever happens in groups, and whatever of it reaches us in which order: after one full reading
the stored history is what really happened, with "inferred" where an event was lost.

The stories are told by the simulator: its truth is compared with our rows. The number of examples
is raised with HISTORY_EXAMPLES.
"""

from __future__ import annotations

import os
from collections import defaultdict
from datetime import timedelta
from itertools import combinations, pairwise

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from communities.models import GroupChat
from members.models import MemberIdentity, Membership, Stay
from members.rules.status import Confidence
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.platform_worlds import Company

EXAMPLES = int(os.environ.get("HISTORY_EXAMPLES", "200"))
CHATS, PEOPLE = 3, 4
LAGS = st.sampled_from([0, 0, 0.5, 3])


class Heard:
    """What of the truth has reached us: who joined and left when."""

    def __init__(self):
        self.joins = set()
        self.leaves = {}

    def event(self, event):
        for userid in event.members:
            moment = (event["ChatId"], userid, event.occurred_at)
            if event["UpdateDetail"] == "add_member":
                self.joins.add(moment)
            elif event["UpdateDetail"] == "del_member":
                self.leaves[moment] = len(event.members) == 1

    def reading(self, reading):
        for member in reading.members:
            self.joins.add((reading.chat_id, member.id, member.joined_at))


class World(Company):
    """Three groups, two of them chats of one community, and what has reached us of them."""

    def __init__(self):
        super().__init__()
        self.corp.add_staff("lin.qiao", "林乔")
        self.corp.add_staff("zhao.min", "赵敏")
        self.people = [self.corp.add_person(f"客户{n}") for n in range(PEOPLE)]
        self.chats = [self.corp.create_group("lin.qiao", f"群{n}") for n in range(CHATS)]
        self.community = CommunityFactory(enterprise=self.enterprise)
        for chat_id in self.chats[:2]:
            GroupChatFactory(
                enterprise=self.enterprise,
                channel_account=self.connection.account,
                external_id=chat_id,
                community=self.community,
                name="",
            )
        self.heard = Heard()
        self.waiting = []
        self.taken = []
        self.happened = set()

    def collect(self):
        self.waiting += self.events()

    def take(self, events=None):
        for event in events:
            self.heard.event(event)
        super().take(events)
        self.taken += events

    def reading(self, chat_id):
        reading = super().reading(chat_id)
        self.heard.reading(reading)
        return reading

    def inside(self, chat_id):
        return [each for each in self.people if each in self.corp.groups[chat_id].members]

    def alive(self, chat):
        return not self.corp.groups[self.chats[chat]].dissolved_at

    def once_in_a_second(self, what, chat_id, people):
        """Who does one thing again within a second cannot be told from who did it once."""
        second = int(self.now.timestamp())
        fresh = [
            each
            for each in people
            if not {(what, chat_id, each, second - n) for n in (0, 1)} & self.happened
        ]
        self.happened |= {(what, chat_id, each, second) for each in fresh}
        return fresh


# --- The comparison -------------------------------------------------------------------------------


def check(world, *, read_at):
    members = dict(
        MemberIdentity.objects.filter(enterprise=world.enterprise).values_list("value", "member")
    )
    stays = defaultdict(list)
    for stay in Stay.objects.filter(enterprise=world.enterprise).order_by("joined_at", "pk"):
        stays[stay.chat_id, stay.member_id].append(stay)
    chats = {
        chat.external_id: chat for chat in GroupChat.objects.filter(enterprise=world.enterprise)
    }
    for chat_id in world.chats:
        truth, chat = world.corp.truth(chat_id), chats[chat_id]
        check_chat(world, truth, chat)
        for person in world.people:
            told = stays.pop((chat.pk, members.get(person)), [])
            told.sort(key=lambda stay: (stay.joined_at, stay.left_at or read_at))
            check_stays(world, chat_id, person, truth.of(person), told, read_at)
    assert not stays
    check_memberships(world, set(members.values()))


def check_chat(world, truth, chat):
    present = [each for each in truth.periods if each.left_at is None]
    assert chat.member_count == sum(each.type == 2 for each in present)
    assert (chat.dissolved_at is None) == (truth.dissolved_at is None)
    if truth.dissolved_at is None:
        group = world.corp.groups[truth.chat_id]
        assert (chat.name, chat.owner_userid) == (truth.name, truth.owner)
        assert (chat.notice, chat.member_version) == (group.notice, truth.version)
        assert chat.staff_count == sum(each.type == 1 for each in present)
        assert chat.state == "active"
    else:
        assert chat.state == "dissolved"
        assert chat.dissolved_at >= truth.dissolved_at
        assert chat.is_dissolution_inferred or chat.dissolved_at == truth.dissolved_at


def check_stays(world, chat_id, person, truth, told, read_at):
    """Who left and came back, and nothing of both was told, was there all the time for all we
    know; of whom nothing was told at all nothing is known."""
    heard = world.heard
    gaps = [
        number
        for number, (one, other) in enumerate(pairwise(truth))
        if (chat_id, person, one.left_at) not in heard.leaves
        and (chat_id, person, other.joined_at) not in heard.joins
    ]
    tries = (set(some) for size in range(len(gaps) + 1) for some in combinations(gaps, size))
    matches = any(
        tells(heard, chat_id, person, without(truth, some), told, read_at) for some in tries
    )
    if not matches:
        facts = [*sorted(map(str, heard.joins)), "left", *sorted(map(str, heard.leaves))]
        shown = [*map(str, truth), "but", *map(show, told), "heard", *facts]
        raise AssertionError("\n".join(shown))
    for one, other in pairwise(told):
        assert one.left_at is not None
        assert one.left_at <= other.joined_at


def without(truth, gaps):
    whole = []
    for number, period in enumerate(truth):
        ends = (period.joined_at, period.left_at, period.reason, period.scene)
        if number - 1 in gaps:
            whole[-1] = (whole[-1][0], *ends[1:3], whole[-1][3])
        else:
            whole.append(ends)
    return whole


def tells(heard, chat_id, person, truth, told, read_at):
    known = [
        period
        for period in truth
        if (chat_id, person, period[0]) in heard.joins
        or (chat_id, person, period[1]) in heard.leaves
    ]
    return len(known) == len(told) and all(
        begins_so(heard, chat_id, person, period, stay)
        and ends_so(heard, chat_id, person, period, stay, read_at)
        for period, stay in zip(known, told, strict=True)
    )


def begins_so(heard, chat_id, person, period, stay):
    joined_at, left_at, _, scene = period
    if (chat_id, person, joined_at) in heard.joins:
        scenes = {1: {"invited", "direct"}, 2: {"invited", "link"}, 3: {"qr_code"}}[scene]
        exactly = (stay.joined_at, stay.join_confidence) == (joined_at, Confidence.EXACT)
        return exactly and stay.join_scene in scenes
    return stay.join_confidence == Confidence.INFERRED and joined_at <= stay.joined_at <= left_at


def ends_so(heard, chat_id, person, period, stay, read_at):
    _, left_at, reason, _ = period
    if left_at is None:
        return (stay.left_at, stay.leave_reason, stay.leave_confidence) == (None, "", "")
    moment = (chat_id, person, left_at)
    if moment in heard.leaves:
        why = reason if heard.leaves[moment] else "unknown"
        return (stay.left_at, stay.leave_reason, stay.leave_confidence) == (left_at, why, "exact")
    if stay.leave_confidence == Confidence.EXACT:
        return reason == "dissolved" and (stay.left_at, stay.leave_reason) == (left_at, reason)
    return (
        stay.left_at is not None
        and left_at <= stay.left_at <= read_at
        and (stay.seen_at is None or stay.seen_at <= left_at)
    )


def check_memberships(world, member_ids):
    """In a community are those who are in its chats, for as long as they are."""
    stays, memberships = defaultdict(list), defaultdict(list)
    rows = Stay.objects.filter(enterprise=world.enterprise).select_related("chat", "membership")
    for stay in rows:
        if stay.chat.community_id is None:
            assert stay.membership is None
            continue
        assert stay.membership.member_id == stay.member_id
        assert stay.membership.community_id == stay.chat.community_id
        stays[stay.member_id].append((stay.joined_at, stay.left_at))
    for each in Membership.objects.filter(enterprise=world.enterprise):
        memberships[each.member_id].append((each.joined_at, each.left_at))
    for member_id in member_ids:
        assert covered(stays[member_id]) == covered(memberships[member_id])
        ordered = sorted(memberships[member_id], key=lambda each: (each[0], each[1] is None))
        for one, other in pairwise(ordered):
            assert one[1] is not None
            assert one[1] <= other[0] or one[0] == one[1]


def covered(periods):
    runs = []
    for begin, end in sorted(periods, key=lambda each: (each[0], each[1] is None)):
        if runs and (runs[-1][1] is None or begin <= runs[-1][1]):
            last = runs[-1][1]
            runs[-1][1] = None if last is None or end is None else max(last, end)
        else:
            runs.append([begin, end])
    return runs


def show(stay):
    begins = f"{stay.joined_at} {stay.join_confidence} {stay.join_scene}"
    return f"{begins} - {stay.left_at} {stay.leave_confidence} {stay.leave_reason} {stay.seen_at}"


# --- The stories ----------------------------------------------------------------------------------

some_chat = st.integers(0, CHATS - 1)
some_people = st.sets(st.integers(0, PEOPLE - 1), min_size=1, max_size=2)
pauses = st.sampled_from([1, 2, 4, 30, 700])


class Story(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.world = World()

    @initialize(lossless=st.booleans(), told=st.booleans())
    def begin(self, lossless, told):
        self.lossless = lossless
        if not told:  # nothing of the founding is told, and the first reading comes when it comes
            self.world.events()

    @rule(chat=some_chat, people=some_people, scene=st.sampled_from([1, 2, 3]), pause=pauses)
    def join(self, chat, people, scene, pause):
        self.move("join", chat, people, pause, scene=scene)

    @rule(chat=some_chat, people=some_people, pause=pauses)
    def leave(self, chat, people, pause):
        self.move("leave", chat, people, pause)

    @rule(chat=some_chat, people=some_people, pause=pauses)
    def remove(self, chat, people, pause):
        self.move("remove", chat, people, pause)

    def move(self, what, chat, people, pause, **how):
        world = self.world
        if not world.alive(chat):
            return
        world.wait(pause if not self.lossless else pause - 1)
        chat_id = world.chats[chat]
        inside = world.inside(chat_id)
        able = [
            world.people[n]
            for n in sorted(people)
            if (world.people[n] in inside) != (what == "join")
        ]
        kind = "join" if what == "join" else "leave"
        if able := world.once_in_a_second(kind, chat_id, able):
            getattr(world.corp, what)(chat_id, able, **how)
            world.collect()

    @rule(
        chat=some_chat, userid=st.sampled_from(["lin.qiao", "zhao.min"]), number=st.integers(0, 9)
    )
    def describe(self, chat, userid, number):
        if self.world.alive(chat):
            chat_id = self.world.chats[chat]
            self.world.wait(1)
            self.world.corp.change_owner(chat_id, userid)
            self.world.corp.rename(chat_id, f"新名字 {number} 🐱")
            self.world.corp.set_notice(chat_id, f"公告 {number}")
            self.world.collect()

    @rule(chat=st.integers(1, CHATS - 1), pause=pauses, sure=st.integers(0, 3))
    def dissolve(self, chat, pause, sure):
        if self.world.alive(chat) and sure == 0:
            self.world.wait(pause)
            self.world.corp.dissolve(self.world.chats[chat])
            self.world.collect()

    @precondition(lambda self: self.world.waiting)
    @rule(data=st.data())
    def deliver(self, data):
        world = self.world
        some = data.draw(st.sets(st.integers(0, len(world.waiting) - 1), min_size=1, max_size=4))
        events = [world.waiting[n] for n in data.draw(st.permutations(sorted(some)))]
        if world.taken and data.draw(st.booleans()):
            events.append(data.draw(st.sampled_from(world.taken)))
        world.waiting = [each for n, each in enumerate(world.waiting) if n not in some]
        world.take(events)

    @precondition(lambda self: self.world.waiting and not self.lossless)
    @rule(data=st.data())
    def lose(self, data):
        self.world.waiting.pop(data.draw(st.integers(0, len(self.world.waiting) - 1)))

    @rule(chat=some_chat, lag=LAGS, pause=st.sampled_from([0, 1, 5, 60]))
    def read(self, chat, lag, pause):
        self.world.wait(pause)
        self.world.corp.faults.read_lag = lag
        self.world.read(self.world.chats[chat])

    def teardown(self):
        try:
            world = self.world
            if self.lossless:
                world.take(world.waiting[::-1])
            world.wait(60)
            world.corp.faults.read_lag = 0
            world.read()
            check(world, read_at=world.now + timedelta(seconds=1))
        finally:
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)


@pytest.mark.django_db
def test_the_stored_history_is_what_happened():
    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
