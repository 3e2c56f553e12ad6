import pytest
from django.db import IntegrityError, transaction

from campaigns.errors import (
    BadContent,
    BelongsElsewhere,
    CannotApprove,
    CannotEdit,
    CannotMove,
    ChannelIsOff,
    NoCommunity,
    UnknownVariable,
    VariableNotForChannel,
)
from campaigns.models import Broadcast
from campaigns.rules.status import BroadcastStatus, BroadcastTarget
from campaigns.services.approving import (
    approve_broadcast,
    return_broadcast_to_draft,
    submit_broadcast,
)
from campaigns.services.composing import create_broadcast, edit_broadcast
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import Role
from scrm.shared.criteria import InvalidCriterion
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import BroadcastFactory, colleague_of
from tests.communities.factories import CommunityFactory
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db

CLAUSE = {"metric": "purchase_count", "op": "gte", "value": 3, "window_days": 90}


@pytest.fixture
def author():
    return UserFactory()


def draft_of(author, **changes):
    home = {"enterprise": author.enterprise}
    return {
        "name": "周末",
        "body": "你好，{{昵称}}",
        "communities": [CommunityFactory(**home)],
        "channel_account": ChannelAccountFactory(**home),
        **changes,
    }


def test_create_makes_a_draft_of_the_authors_enterprise_and_audits_it(author):
    draft = draft_of(author, criterion=CLAUSE)

    broadcast = create_broadcast(actor=author, **draft)

    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.DRAFT
    assert (broadcast.enterprise, broadcast.author) == (author.enterprise, author)
    assert broadcast.criterion == CLAUSE
    assert list(broadcast.communities.all()) == draft["communities"]
    event = AuditEvent.objects.get()
    assert (event.verb, event.after["body"]) == ("create_broadcast", "你好，{{昵称}}")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"body": "{{电话}}"}, UnknownVariable),
        ({"body": "{{群名}}"}, UnknownVariable),  # of a chat, and this goes to members
        ({"body": "  "}, BadContent),
        ({"communities": []}, NoCommunity),
        ({"criterion": {"metric": "nonsense", "op": "gte", "value": 1}}, InvalidCriterion),
        (
            {"criterion": {"metric": "in_community", "op": "is", "value": "no-such"}},
            InvalidCriterion,
        ),
        (
            {"criterion": CLAUSE, "target": BroadcastTarget.CHATS, "body": "{{群名}}"},
            InvalidCriterion,  # of members, and this goes to chats
        ),
    ],
)
def test_create_refuses_what_cannot_be_sent(author, changes, refusal):
    with pytest.raises(refusal):
        create_broadcast(actor=author, **draft_of(author, **changes))

    assert not Broadcast.objects.exists()


def test_create_refuses_rows_of_another_enterprise(author):
    for changes in (
        {"communities": [CommunityFactory()]},
        {"channel_account": ChannelAccountFactory()},
    ):
        with pytest.raises(BelongsElsewhere):
            create_broadcast(actor=author, **draft_of(author, **changes))


def test_create_refuses_a_channel_that_is_off(author):
    off = ChannelAccountFactory(enterprise=author.enterprise, is_active=False)

    with pytest.raises(ChannelIsOff):
        create_broadcast(actor=author, **draft_of(author, channel_account=off))


def test_where_a_call_carries_one_text_it_cannot_differ_by_recipient(author):
    tapped = ChannelAccountFactory(enterprise=author.enterprise, kind="wecom")

    with pytest.raises(VariableNotForChannel, match="只有一段文案"):
        create_broadcast(actor=author, **draft_of(author, channel_account=tapped))
    create_broadcast(
        actor=author, **draft_of(author, channel_account=tapped, body="来自{{社群}}的问候")
    )


def test_edit_changes_only_what_is_named():
    broadcast = BroadcastFactory(name="旧")
    editor = colleague_of(broadcast.author)

    edit_broadcast(broadcast.pk, actor=editor, name="新")

    broadcast.refresh_from_db()
    assert (broadcast.name, broadcast.body, broadcast.last_editor) == (
        "新",
        "你好，{{昵称}}",
        editor,
    )
    assert broadcast.communities.count() == 1


@pytest.mark.parametrize("status", set(BroadcastStatus) - {BroadcastStatus.DRAFT})
def test_edit_is_refused_unless_it_is_a_draft(status):
    broadcast = BroadcastFactory(status=status, scheduled_at="2030-01-01T00:00Z")

    with pytest.raises(CannotEdit):
        edit_broadcast(broadcast.pk, actor=broadcast.author, name="新")


def test_the_way_from_draft_to_approval():
    broadcast = BroadcastFactory()
    reviewer = colleague_of(broadcast.author, role=Role.REVIEWER)

    submit_broadcast(broadcast.pk, actor=broadcast.author)
    approved = approve_broadcast(broadcast.pk, actor=reviewer)

    assert (approved.status, approved.approved_by) == (BroadcastStatus.APPROVED, reviewer)
    assert approved.approved_at is not None
    assert [e.verb for e in AuditEvent.objects.order_by("pk")] == [
        "submit_broadcast",
        "approve_broadcast",
    ]


def test_neither_the_author_nor_the_last_editor_approves():
    broadcast = BroadcastFactory()
    editor = colleague_of(broadcast.author)
    edit_broadcast(broadcast.pk, actor=editor, name="新")
    submit_broadcast(broadcast.pk, actor=broadcast.author)

    for actor in (broadcast.author, editor):
        with pytest.raises(CannotApprove):
            approve_broadcast(broadcast.pk, actor=actor)


def test_approving_takes_the_right_to_approve():
    broadcast = BroadcastFactory(status=BroadcastStatus.IN_REVIEW)

    with pytest.raises(CannotApprove):
        approve_broadcast(broadcast.pk, actor=colleague_of(broadcast.author, role=Role.OPERATOR))


def test_the_database_too_refuses_an_approval_by_the_author():
    broadcast = BroadcastFactory()

    with pytest.raises(IntegrityError, match="approved_by_another"), transaction.atomic():
        Broadcast.objects.filter(pk=broadcast.pk).update(approved_by=broadcast.author)


def test_going_back_to_draft_voids_the_approval():
    broadcast = BroadcastFactory(status=BroadcastStatus.APPROVED)
    Broadcast.objects.filter(pk=broadcast.pk).update(approved_by=colleague_of(broadcast.author))

    again = return_broadcast_to_draft(broadcast.pk, actor=broadcast.author, reason="改日期")

    assert (again.status, again.approved_by, again.status_reason) == (
        BroadcastStatus.DRAFT,
        None,
        "改日期",
    )


def test_submitting_twice_is_refused():
    broadcast = BroadcastFactory()
    submit_broadcast(broadcast.pk, actor=broadcast.author)

    with pytest.raises(CannotMove):
        submit_broadcast(broadcast.pk, actor=broadcast.author)


def test_only_what_the_scope_covers_is_seen():
    broadcast = BroadcastFactory()
    stranger = UserFactory()
    narrow = colleague_of(broadcast.author, data_scope="own_communities")

    assert list(Broadcast.objects.visible_to(broadcast.author)) == [broadcast]
    assert list(Broadcast.objects.visible_to(stranger)) == []
    assert list(Broadcast.objects.visible_to(narrow)) == []
