"""Join ways of groups (WeCom, page 92229)."""

from __future__ import annotations

from hashlib import md5
from typing import Any

from scrm.wecom.simulator.api.call import Answer, Call, endpoint
from scrm.wecom.simulator.join_ways import GROUPS_A_WAY, JoinWay
from scrm.wecom.simulator.refusals import Refused

LONGEST_REMARK, LONGEST_STATE, LONGEST_STEM = 30, 30, 40
WAYS = 500_000


def fields_of(call: Call) -> dict[str, Any]:
    """All of them: an update replaces everything."""
    scene = call.number("scene")
    if scene not in {1, 2}:
        raise Refused(40058, "scene invalid")
    chat_ids = call.body.get("chat_id_list")
    if isinstance(chat_ids, list) and len(chat_ids) > GROUPS_A_WAY:
        raise Refused(41091)
    chats = call.texts("chat_id_list", at_most=GROUPS_A_WAY, missing=40058)
    for chat_id in chats:
        group = call.corp.groups.get(chat_id)
        if group is None or group.dissolved_at:
            raise Refused(40050)
        if group.internal:
            raise Refused(90501)
    state, stem = call.text("state"), call.text("room_base_name")
    if len(state) > LONGEST_STATE or len(stem) > LONGEST_STEM:
        raise Refused(40058, "state or room_base_name too long")
    return {
        "scene": scene,
        "remark": call.text("remark")[:LONGEST_REMARK],
        "auto_create_room": call.flag("auto_create_room", True),
        "room_base_name": stem,
        "room_base_id": call.number("room_base_id", 1),
        "chat_id_list": list(dict.fromkeys(chats)),
        "state": state,
        "mark_source": call.flag("mark_source", True),
    }


def way_of(call: Call) -> JoinWay:
    """Only an app's own show."""
    way = call.corp.join_ways.get(call.text("config_id", missing=41043))
    if way is None or way.agent_id != call.app.agent_id:
        raise Refused(41044)
    return way


@endpoint("POST", "externalcontact/groupchat/add_join_way")
def add_join_way(call: Call) -> Answer:
    if len(call.corp.join_ways) >= WAYS:
        raise Refused(41045)
    fields = fields_of(call)
    config_id = md5(call.corp.new_id("way").encode(), usedforsecurity=False).hexdigest()
    call.corp.join_ways[config_id] = JoinWay(config_id, call.app.agent_id, **fields)
    return {"config_id": config_id}


@endpoint("POST", "externalcontact/groupchat/get_join_way")
def get_join_way(call: Call) -> Answer:
    way = way_of(call)
    return {
        "join_way": {
            "config_id": way.config_id,
            "scene": way.scene,
            "remark": way.remark,
            "auto_create_room": int(way.auto_create_room),
            "room_base_name": way.room_base_name,
            "room_base_id": way.room_base_id,
            "chat_id_list": way.chat_id_list,
            "qr_code": f"{call.origin}/_sim/ways/{way.config_id}",
            "state": way.state,
            "mark_source": way.mark_source,
        }
    }


@endpoint("POST", "externalcontact/groupchat/update_join_way")
def update_join_way(call: Call) -> Answer:
    way = way_of(call)
    for name, value in fields_of(call).items():
        setattr(way, name, value)
    return {}


@endpoint("POST", "externalcontact/groupchat/del_join_way")
def del_join_way(call: Call) -> Answer:
    del call.corp.join_ways[way_of(call).config_id]
    return {}
