"""One call of the platform: what it makes, what it answers, and what is known when it does not."""

from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from campaigns.channels.protocol import (
    ChannelDown,
    Envelope,
    Message,
    Outcome,
    OutcomeStatus,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)
from campaigns.channels.registry import channel_for
from campaigns.models import MediaAsset, MediaUpload
from scrm.wecom.models import WecomConnection
from scrm.wecom.services.platform_clock import learn_clock, platform_now
from tests.accounts.factories import StaffFactory, UserFactory
from tests.campaigns.wecom_world import QUICK, wecom_world
from tests.members.factories import FollowFactory, MemberFactory

CREATE = "externalcontact/add_msg_template"
LIST = "externalcontact/get_groupmsg_list_v2"

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(settings):
    settings.CHANNELS = QUICK
    return wecom_world()


@pytest.fixture
def channel(world):
    return channel_for("wecom")


def envelope_of(world, chats, *, sender="lin", body="你好", key="dispatch-7", **values):
    values.setdefault("attempted_at", timezone.now() - timedelta(seconds=30))
    messages = tuple(Message(chat.external_id, body) for chat in chats)
    return Envelope(key, world.account, "chat", messages, sender=sender, **values)


def awaiting(*chats):
    return {Outcome(chat.external_id, OutcomeStatus.AWAITING) for chat in chats}


# --- handing over ---


def test_a_call_makes_one_task_for_the_owner_with_exactly_these_chats(world, channel):
    first, second, _other = world.owner("lin", chats=3)

    receipt = channel.send(envelope_of(world, [first, second]))

    assert set(receipt.outcomes) == awaiting(first, second)
    (message,) = world.messages()
    assert (receipt.remote_id, message.text) == (message.msgid, "你好")
    assert [each.id for each in message.tasks["lin"].recipients] == [
        first.external_id,
        second.external_id,
    ]
    assert abs(receipt.accepted_at - platform_now(world.connection)) < timedelta(seconds=5)


def test_chats_that_the_platform_does_not_take_fail_by_name(world, channel):
    kept, given, dissolved = world.owner("lin", chats=3)
    world.owner("wang", chats=0)
    world.corp.change_owner(given.external_id, "wang")
    world.corp.dissolve(dissolved.external_id)

    receipt = channel.send(envelope_of(world, [kept, given, dissolved]))

    assert set(receipt.outcomes) == awaiting(kept) | {
        Outcome(given.external_id, OutcomeStatus.FAILED, "not_reachable"),
        Outcome(dissolved.external_id, OutcomeStatus.FAILED, "not_reachable"),
    }


def test_customers_are_named_as_the_contacts_of_the_sender(world, channel):
    world.corp.add_staff("lin", "林巧")
    lin = StaffFactory(enterprise=world.account.enterprise, external_id="lin")
    known = MemberFactory(enterprise=world.account.enterprise)
    stranger = MemberFactory(enterprise=world.account.enterprise)
    userid = world.corp.add_customer("王", staff="lin")
    FollowFactory(member=known, staff=lin, channel_account=world.account, external_userid=userid)
    messages = tuple(Message(each.external_id, "你好") for each in (known, stranger))
    envelope = Envelope("dispatch-7", world.account, "member", messages, sender="lin")

    receipt = channel.send(envelope)

    assert set(receipt.outcomes) == {
        Outcome(known.external_id, OutcomeStatus.AWAITING),
        Outcome(stranger.external_id, OutcomeStatus.FAILED, "no_contact"),
    }
    (message,) = world.messages()
    assert [each.id for each in message.tasks["lin"].recipients] == [userid]


@pytest.mark.parametrize(
    ("code", "error", "told"),
    [
        (45009, RateLimited, "rate_limited"),
        (48002, ChannelDown, "wecom_48002"),
        (84074, Rejected, "wecom_84074"),
        (41048, Rejected, "wecom_41048"),
        (40201, Rejected, "wecom_40201"),
    ],
)
def test_a_refusal_says_whether_to_wait(world, channel, code, error, told):
    chats = world.owner("lin")
    world.corp.faults.refuse(CREATE, code, times=-1)

    with pytest.raises(error) as refused:
        channel.send(envelope_of(world, chats))

    assert refused.value.code == told
    assert world.messages() == []
    state = WecomConnection.objects.get(pk=world.connection.pk).state
    assert (state == "failing") == (code == 48002)


def test_a_sender_who_cannot_send_does_not_stop_the_app(world, channel):
    chats = world.owner("lin")
    world.corp.edit_staff("lin", follows_customers=False)

    with pytest.raises(Rejected):
        channel.send(envelope_of(world, chats))

    assert WecomConnection.objects.get(pk=world.connection.pk).state == "connected"


def test_different_texts_do_not_fit_into_one_call(world, channel):
    first, second = world.owner("lin")
    messages = (Message(first.external_id, "a"), Message(second.external_id, "b"))

    with pytest.raises(Rejected, match="texts_differ"):
        channel.send(Envelope("dispatch-7", world.account, "chat", messages, sender="lin"))


def test_a_text_over_the_bytes_of_the_platform_is_not_sent(world, channel):
    chats = world.owner("lin")

    with pytest.raises(Rejected, match="bad_content"):
        channel.send(envelope_of(world, chats, body="长" * 1400))


def test_a_paused_connection_calls_nobody(world, channel):
    chats = world.owner("lin")
    WecomConnection.objects.filter(pk=world.connection.pk).update(state="paused")

    with pytest.raises(ChannelDown, match="connection_paused"):
        channel.send(envelope_of(world, chats))


# --- answers that do not come ---


@pytest.mark.parametrize("arrived", [True, False])
def test_what_became_of_a_lost_answer_is_looked_up(world, channel, arrived):
    chats = world.owner("lin")
    envelope = envelope_of(world, chats)
    if arrived:
        world.corp.faults.lose_answer(CREATE)
    else:
        world.corp.faults.status(CREATE, 502)
    with pytest.raises(OutcomeUnknown):
        channel.send(envelope)

    found = channel.look_up(envelope)

    if arrived:
        assert found.remote_id == world.messages()[0].msgid
        assert set(found.outcomes) == awaiting(*chats)
    else:
        assert found is None
    assert len(world.messages()) == int(arrived)


def test_half_an_answer_is_looked_up_too(world, channel):
    chats = world.owner("lin")
    envelope = envelope_of(world, chats)
    world.corp.faults.truncate(CREATE)
    with pytest.raises(OutcomeUnknown):
        channel.send(envelope)

    assert channel.look_up(envelope).remote_id == world.messages()[0].msgid


def test_nothing_is_said_to_be_missing_before_it_could_be_listed(world, channel):
    chats = world.owner("lin")

    with pytest.raises(OutcomeUnknown, match="not_listed_yet"):
        channel.look_up(envelope_of(world, chats, attempted_at=timezone.now()))


def test_a_task_that_is_still_being_dispatched_leaves_the_outcome_open(world, channel):
    chats = world.owner("lin")
    envelope = envelope_of(world, chats)
    channel.send(envelope)
    world.corp.settings.dispatching_seconds = 60.0

    with pytest.raises(ChannelDown, match="wecom_41063"):
        channel.look_up(envelope)


def test_only_a_task_of_this_sender_and_text_is_ours(world, channel):
    mine, theirs = world.owner("lin"), world.owner("wang")
    channel.send(envelope_of(world, theirs, sender="wang"))
    channel.send(envelope_of(world, mine, body="别的内容"))

    assert channel.look_up(envelope_of(world, mine)) is None


def test_what_was_made_long_before_is_not_ours(world, channel):
    chats = world.owner("lin")
    channel.send(envelope_of(world, chats))
    world.corp.clock.advance(3600)
    learn_clock(world.connection)

    assert channel.look_up(envelope_of(world, chats)) is None


def test_a_look_that_fails_leaves_the_outcome_open(world, channel):
    chats = world.owner("lin")
    world.corp.faults.status(LIST, 502, times=-1)

    with pytest.raises(ChannelDown):
        channel.look_up(envelope_of(world, chats))


# --- attachments ---


@pytest.fixture
def picture(world, settings, tmp_path):
    storage = "django.core.files.storage.FileSystemStorage"
    options = {"location": str(tmp_path), "base_url": None}
    settings.STORAGES = settings.STORAGES | {"content": {"BACKEND": storage, "OPTIONS": options}}
    content = b"\xff\xd8\xff" + b"0" * 60
    return MediaAsset.objects.create(
        enterprise=world.account.enterprise,
        kind="image",
        name="海报.jpg",
        file=ContentFile(content, name="poster.jpg"),
        size=len(content),
        sha256="0" * 64,
        uploaded_by=UserFactory(enterprise=world.account.enterprise),
    )


def attachments_of(picture):
    return (
        {"kind": "image", "asset": picture.pk},
        {"kind": "link", "title": "报名", "url": "https://a.example/", "desc": "", "picture": None},
        {
            "kind": "miniprogram",
            "title": "商城",
            "appid": "wx1",
            "page": "p",
            "picture": picture.pk,
        },
    )


def test_files_are_uploaded_once_while_they_last(world, channel, picture):
    chats = world.owner("lin")
    envelope = envelope_of(world, chats, attachments=attachments_of(picture))

    channel.send(envelope)
    channel.send(envelope)
    assert len(world.corp.media) == 1

    world.corp.clock.advance(timedelta(days=2, hours=13).total_seconds())
    learn_clock(world.connection)
    channel.send(envelope)
    assert len(world.corp.media) == 2
    upload = MediaUpload.objects.get()
    sent = [message.attachments[0]["image"]["media_id"] for message in world.messages()]
    assert sent == [sent[0], sent[0], upload.media_id]
    assert [each["msgtype"] for each in world.messages()[0].attachments] == [
        "image",
        "link",
        "miniprogram",
    ]


def test_a_file_that_the_platform_forgot_is_uploaded_again(world, channel, picture):
    chats = world.owner("lin")
    envelope = envelope_of(world, chats, attachments=attachments_of(picture))
    channel.send(envelope)
    world.corp.media.clear()

    with pytest.raises(ChannelDown, match="wecom_40007"):
        channel.send(envelope)

    assert set(channel.send(envelope).outcomes) == awaiting(*chats)


def test_the_picture_of_a_link_is_kept_at_its_address(world, channel, picture):
    chats = world.owner("lin")
    link = {"kind": "link", "title": "报名", "url": "https://a.example/", "picture": picture.pk}
    envelope = envelope_of(world, chats, attachments=(link,))

    channel.send(envelope)
    channel.send(envelope)

    addresses = {message.attachments[0]["link"]["picurl"] for message in world.messages()}
    assert addresses == {MediaUpload.objects.get().picture_url}


def test_a_file_of_ours_that_is_gone_is_refused(world, channel, picture):
    chats = world.owner("lin")
    picture.file.delete(save=False)

    with pytest.raises(Rejected, match="file_is_gone"):
        channel.send(envelope_of(world, chats, attachments=attachments_of(picture)))


def test_a_lost_answer_with_attachments_is_found_again(world, channel, picture):
    chats = world.owner("lin")
    envelope = envelope_of(world, chats, attachments=attachments_of(picture))
    world.corp.faults.lose_answer(CREATE)
    with pytest.raises(OutcomeUnknown):
        channel.send(envelope)

    assert channel.look_up(envelope).remote_id == world.messages()[0].msgid
    assert channel.look_up(envelope_of(world, chats)) is None  # the same text without them
