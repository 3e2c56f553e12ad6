"""QR codes that lead into customer groups. The platform cannot list them: keep their ids."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scrm.wecom.client.apis import acting, reading, setting
from scrm.wecom.client.arguments import among, characters, identity, some
from scrm.wecom.client.calls import Calls
from scrm.wecom.client.parsing import parse
from scrm.wecom.client.results import JoinWayConfig
from scrm.wecom.rules import limits

ADD = acting("externalcontact/groupchat/add_join_way")
GET = reading("externalcontact/groupchat/get_join_way")
UPDATE = setting("externalcontact/groupchat/update_join_way")
DELETE = setting("externalcontact/groupchat/del_join_way")


class JoinWays(Calls):
    def add_join_way(
        self,
        *,
        chat_ids: Iterable[str],
        scene: int = 2,
        remark: str = "",
        state: str = "",
        creates_rooms: bool = False,
        room_base_name: str = "",
        room_base_id: int = 1,
    ) -> str:
        """The new config_id; the QR code itself is told by ``join_way`` only. Never repeated after
        a lost answer, and what was made then cannot be found again."""
        body = join_way_body(
            chat_ids, scene, remark, state, creates_rooms, room_base_name, room_base_id
        )
        return self.new_id(ADD, self.ask(ADD, body), "config_id")

    def join_way(self, config_id: str) -> JoinWayConfig:
        answer = self.ask(GET, {"config_id": identity("config_id", config_id)})
        return parse(JoinWayConfig, self.required(GET, answer, "join_way", dict))

    def update_join_way(
        self,
        config_id: str,
        *,
        chat_ids: Iterable[str],
        scene: int = 2,
        remark: str = "",
        state: str = "",
        creates_rooms: bool = False,
        room_base_name: str = "",
        room_base_id: int = 1,
    ) -> None:
        """Replaces everything: a field left out is emptied."""
        body = join_way_body(
            chat_ids, scene, remark, state, creates_rooms, room_base_name, room_base_id
        )
        self.ask(UPDATE, {"config_id": identity("config_id", config_id), **body})

    def delete_join_way(self, config_id: str) -> None:
        self.ask(DELETE, {"config_id": identity("config_id", config_id)})


def join_way_body(
    chat_ids: Iterable[str],
    scene: int,
    remark: str,
    state: str,
    creates_rooms: bool,
    room_base_name: str,
    room_base_id: int,
) -> dict[str, Any]:
    among("scene", scene, (1, 2))
    body: dict[str, Any] = {
        "scene": scene,
        "remark": characters("remark", remark, most=limits.MAX_JOIN_WAY_REMARK),
        "auto_create_room": int(creates_rooms),
        "chat_id_list": some("chat_ids", chat_ids, most=limits.MAX_JOIN_WAY_CHATS),
        "state": characters("state", state, most=limits.MAX_JOIN_WAY_STATE),
    }
    if creates_rooms:
        body["room_base_name"] = characters(
            "room_base_name", room_base_name, most=limits.MAX_ROOM_NAME
        )
        body["room_base_id"] = room_base_id
    return body
