"""Doors of what restrains sending, of segments of chats and of erasing; they belong to campaigns
and members."""

from campaigns.models import FrequencyCap, SegmentChat, SendPolicy
from campaigns.rules.status import BroadcastTarget
from scrm.accounts.rules.roles import Role
from tests.campaigns.factories import SegmentFactory
from tests.isolation import Call


def build(world):
    world.rows["send policy"] = SendPolicy.objects.create(
        enterprise=world.enterprise, changed_by=world.users[Role.ADMINISTRATOR]
    )
    world.rows["frequency cap"] = FrequencyCap.objects.create(
        enterprise=world.enterprise, target="members", window="day", limit=3
    )
    world.rows["chat segment"] = SegmentFactory(
        enterprise=world.enterprise,
        name=f"{world.mark}大群",
        target=BroadcastTarget.CHATS,
        criterion={"metric": "chat_size", "op": "gte", "value": 0},
        member_count=1,
        drawn_at="2026-03-01T00:00:00Z",
    )
    SegmentChat.objects.create(segment=world.rows["chat segment"], chat=world.rows["chat"])


API = {
    "send-policy-list": {
        "get": Call(),
        "post": Call(body=lambda w: {"quiet_from": None}, answers=(409,)),  # there is one
    },
    "send-policy-detail": {
        "get": Call(row="send policy"),
        "patch": Call(row="send policy", body=lambda w: {"advert_block_percent": 50}),
    },
    "send-policy-in-force": {"get": Call()},
    "frequency-cap-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {"target": "chats", "window": "week", "limit": 5}, answers=(201,)
        ),
    },
    "frequency-cap-detail": {
        "get": Call(row="frequency cap"),
        "patch": Call(row="frequency cap", body=lambda w: {"limit": 0}),
        "delete": Call(row="frequency cap", answers=(204,)),
    },
    "segment-chats": {"get": Call(row="chat segment")},
}

MEMBERS_API = {
    "member-erase": {"post": Call(row="newcomer", body=lambda w: {"reason": "来信要求"})},
}

ADMIN = {
    "campaigns.sendpolicy": "send policy",
    "campaigns.frequencycap": "frequency cap",
}

MEMBERS_ADMIN_URLS = {
    "members_member_erase": Call(row="newcomer", body=lambda w: {"reason": "来信要求"}),
}
