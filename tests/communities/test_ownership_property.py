"""Whatever is read, told and written of a chat's owners, and in which order: its periods leave no
gap, do not overlap, agree with every reading, and call exact only what is. The number of examples
is raised with OWNERSHIP_EXAMPLES."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from communities.models import GroupChat, OwnershipPeriod
from communities.services.chats import edit_group_chat
from communities.services.following import dissolve_followed_chat, follow_chats, locked_chats
from communities.services.ownership.owning import note_owner_changes
from scrm.accounts.models import Staff
from scrm.wecom.client.parsing import parse
from scrm.wecom.client.results import GroupDetail
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import GroupChatFactory
from tests.members.platform_worlds import Company

pytestmark = pytest.mark.django_db
EXAMPLES = int(os.environ.get("OWNERSHIP_EXAMPLES", "12"))

FOUNDED = datetime(2026, 3, 1, tzinfo=UTC)
PEOPLE = ("a", "b", "stranger")
NEVER = 99
OWNERS = st.sampled_from(PEOPLE)
#: How many steps later an event comes.
DELAYS = st.sampled_from([0, 0, 1, 2, 5, NEVER])
STEPS = st.one_of(
    st.tuples(st.just("change"), OWNERS, DELAYS),
    st.tuples(st.just("change"), OWNERS, DELAYS),
    st.tuples(st.just("read")),
    st.tuples(st.just("read")),
    st.tuples(st.just("name"), st.sampled_from(["a", "b", ""])),
    st.tuples(st.just("hide")),
)
STORIES = st.lists(STEPS, min_size=3, max_size=12)


class Story:
    """A chat whose true owners are known, and what has reached us of them."""

    def __init__(self, company, actor):
        self.company, self.actor = company, actor
        self.chat_id = GroupChatFactory(
            unassigned=True,
            enterprise=company.enterprise,
            channel_account=company.connection.account,
            created_at=FOUNDED,
        ).external_id
        self.now = timezone.now() + timedelta(days=1)  # after what is written by hand
        self.owner = "a"
        self.changes = []
        self.readings = []
        self.told = set()

    @property
    def chat(self):
        (chat,) = locked_chats(self.company.connection, [self.chat_id])
        return chat

    def change(self, owner, _delay):
        if owner != self.owner:
            self.owner = owner
            self.changes.append(self.now)

    def tell(self, at):
        self.told.add(at)
        chat = self.chat
        note_owner_changes([chat], {chat.pk: {at}})

    def read(self):
        found = {"chat_id": self.chat_id, "owner": self.owner.upper(), "member_list": []}
        found |= {"name": "群", "notice": "", "create_time": int(FOUNDED.timestamp())}
        reading = parse(GroupDetail, found)
        readings = {self.chat_id: reading}
        follow_chats(self.company.connection, [self.chat], readings, read_at=self.now)
        self.readings.append((self.now, self.owner))

    def name(self, owner):
        if not self.readings:
            staff = Staff.objects.filter(external_id=owner).first() if owner else None
            edit_group_chat(self.chat.pk, actor=self.actor, owner=staff)

    def hide(self):
        dissolve_followed_chat(self.chat, at=self.now, exact=False)

    def rows(self):
        return list(OwnershipPeriod.objects.filter(chat=self.chat).order_by("began_at", "pk"))


def play(story, steps, delay_of):
    """The story, with each event as many steps late as said."""
    due = []
    for number, step in enumerate(steps):
        story.now += timedelta(seconds=60)
        before = len(story.changes)
        getattr(story, step[0])(*step[1:])
        if len(story.changes) > before and (delay := delay_of(step)) != NEVER:
            due.append((number + delay, story.now))
        for when, at in [each for each in due if each[0] <= number]:
            story.tell(at)
            due.remove((when, at))
        check(story)
    for _, at in due:
        story.tell(at)
    check(story)


def check(story):
    rows, chat = story.rows(), GroupChat.objects.get(external_id=story.chat_id)
    assert all(row.ended_at == following.began_at for row, following in pairwise(rows))
    assert rows[0].began_at == FOUNDED
    assert rows[-1].ended_at == chat.dissolved_at
    for at, owner in story.readings:
        assert [row.userid.lower() for row in rows if covers(row, at)] == [owner]
    for row in rows[1:]:
        if row.began_confidence == "exact":
            assert row.began_at in story.told
    with transaction.get_connection().cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def covers(row, at):
    return row.began_at <= at and (row.ended_at is None or at < row.ended_at)


def shape(story):
    """What was written by hand was so a moment earlier or later."""
    return [
        (row.userid, row.cause, row.began_confidence, row.cause == "registered" or row.began_at)
        for row in story.rows()
    ]


@pytest.fixture
def company(db):
    company = Company(beginning=FOUNDED)
    for userid in ("a", "b"):
        StaffFactory(enterprise=company.enterprise, external_id=userid)
    return company


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STORIES)
def test_any_story_of_owners_is_a_history_without_a_gap(company, steps):
    before = transaction.savepoint_create()
    actor = UserFactory(enterprise=company.enterprise)
    as_told, afterwards = (Story(company, actor) for _ in range(2))
    afterwards.now = as_told.now
    play(as_told, steps, lambda step: step[2])
    late = [(*step[:2], NEVER) if step[0] == "change" else step for step in steps]
    play(afterwards, late, lambda _: NEVER)
    for at in sorted(as_told.told, reverse=True):
        afterwards.tell(at)

    assert shape(afterwards) == shape(as_told)
    transaction.savepoint_rollback(before)
