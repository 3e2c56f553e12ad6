"""QR codes that lead into groups: into the next one when a group is full."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from scrm.wecom.simulator.records import Group
from scrm.wecom.simulator.refusals import Impossible
from scrm.wecom.simulator.state import verb
from scrm.wecom.simulator.tags import Tagging

GROUPS_A_WAY = 5


@dataclass(slots=True)
class JoinWay:
    config_id: str
    agent_id: int
    scene: int
    remark: str
    auto_create_room: bool
    room_base_name: str
    room_base_id: int
    chat_id_list: list[str]
    state: str
    mark_source: bool = True
    rooms_made: int = 0


@dataclass(kw_only=True)
class JoinWays(Tagging):
    join_ways: dict[str, JoinWay] = field(default_factory=dict)

    @verb
    def scan(self, config_id: str, external_userids: Iterable[str] = (), *, count: int = 0) -> str:
        """People scan a join way one after the other. Returns the group of the last one."""
        if (way := self.join_ways.get(config_id)) is None:
            raise Impossible(f"没有入群方式 {config_id}")
        chat_id = ""
        for person in [*self._people(external_userids), *self._people(count)]:
            chat_id = self._room_in(way).chat_id
            self.join(chat_id, [person], scene=3, state=way.state)
        return chat_id

    def _room_in(self, way: JoinWay) -> Group:
        """The first of its groups that is not full, or a new one."""
        living = [
            group
            for chat_id in way.chat_id_list
            if (group := self.groups.get(chat_id)) is not None and not group.dissolved_at
        ]
        for group in living:
            if len(group.members) < self.settings.group_capacity:
                return group
        if not way.auto_create_room or not living:
            raise Impossible("群都满了，也不自动建群")
        number = way.room_base_id + way.rooms_made
        way.rooms_made += 1
        name = f"{way.room_base_name}{number}" if way.room_base_name else living[0].name
        chat_id = self.create_group(living[0].owner, name)
        way.chat_id_list = [*way.chat_id_list, chat_id][-GROUPS_A_WAY:]
        return self.groups[chat_id]
