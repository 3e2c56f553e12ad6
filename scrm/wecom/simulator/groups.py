"""Customer groups: who is in them, and who was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import md5
from typing import Any

from scrm.wecom.simulator.callbacks import Plain
from scrm.wecom.simulator.people import People
from scrm.wecom.simulator.records import (
    CUSTOMER_GROUP_SCENES,
    Group,
    Past,
    Presence,
    Revision,
    Staff,
    Truth,
    truth_of,
)
from scrm.wecom.simulator.refusals import Impossible
from scrm.wecom.simulator.state import verb

STAFF, OUTSIDE = 1, 2
LONGEST_LAG = 60.0  # seconds a former look of a group is kept


@dataclass(kw_only=True)
class Groups(People):
    groups: dict[str, Group] = field(default_factory=dict)

    # Asking -----------------------------------------------------------------------------------

    def group(self, chat_id: str) -> Group:
        """A group that still exists; raises Impossible."""
        found = self.groups.get(chat_id)
        if found is None or found.dissolved_at:
            raise Impossible(f"没有群 {chat_id}，或已解散")
        return found

    def truth(self, chat_id: str) -> Truth:
        with self.lock:
            return truth_of(self.groups[chat_id])

    def appearance(self, group: Group) -> dict[str, Any]:
        """What a read shows now: with a lag, what the group looked like that long ago."""
        if self.faults.read_lag > 0:
            seen_at = self.clock.time() - self.faults.read_lag
            for revision in group.revisions:
                if revision.changed_at > seen_at:
                    return revision.answer
        return self.render(group)

    def render(self, group: Group) -> dict[str, Any]:
        return {
            "chat_id": group.chat_id,
            "name": group.name,
            "owner": group.owner,
            "create_time": group.created_at,
            "notice": group.notice,
            "member_list": [self._render_member(each) for each in group.members.values()],
            "admin_list": [{"userid": each} for each in group.admins],
            "member_version": group.version,
        }

    def _render_member(self, here: Presence) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "userid": here.id,
            "type": here.type,
            "join_time": here.joined_at,
            "join_scene": here.scene,
            "group_nickname": here.nickname,
        }
        if here.type == STAFF:
            staff = self.staff.get(here.id.lower())
            shown["name"] = staff.name if staff else ""
        else:
            person = self.people[here.id]
            shown["name"] = person.name
            if unionid := self.unionid_of(person):
                shown["unionid"] = unionid
        if here.inviter and here.inviter.lower() in self.staff:
            shown["invitor"] = {"userid": here.inviter}
        if here.state:
            shown["state"] = here.state
        return shown

    # Doing ------------------------------------------------------------------------------------

    @verb
    def create_group(
        self,
        owner: str,
        name: str = "",
        *,
        members: Iterable[str] | int = (),
        created_at: datetime | None = None,
        chat_id: str = "",
        internal: bool = False,
    ) -> str:
        """A new group with its first members, ids or a number of new people. Returns its id."""
        staff = self._working(owner)
        at = int(created_at.timestamp()) if created_at else self.clock.second()
        new_id = chat_id or self.new_id("wr")
        if new_id in self.groups:
            raise Impossible(f"群 {new_id} 已存在")
        group = Group(new_id, name, staff.userid, at, self.next_serial(), internal=internal)
        self.groups[new_id] = group
        self._enter(group, staff.userid, at, 1, "", "")
        for member in self._people(members):
            self._enter(group, member, at, 1, staff.userid, "")
        self._new_version(group)
        self._announce_chat(group, "create", at=at)
        return new_id

    @verb
    def join(
        self,
        chat_id: str,
        external_userids: Iterable[str] = (),
        *,
        count: int = 0,
        scene: int = 3,
        inviter: str = "",
        state: str = "",
    ) -> list[str]:
        """Come in, known people and ``count`` new ones. Returns who was not inside already."""
        group, at = self.group(chat_id), self.clock.second()
        wanted = [*self._people(external_userids), *self._people(count)]
        fresh = [each for each in dict.fromkeys(wanted) if each not in group.members]
        if len(group.members) + len(fresh) > self.settings.group_capacity:
            raise Impossible(f"群已满，最多 {self.settings.group_capacity} 人")
        if not fresh:
            return []
        self._keep_look(group)
        for each in fresh:
            self._enter(group, each, at, scene, inviter, state)
        self._announce_members(
            group, "add_member", fresh, JoinScene=CUSTOMER_GROUP_SCENES.get(scene, 0), QuitScene=0
        )
        return fresh

    @verb
    def leave(self, chat_id: str, ids: Iterable[str] | str) -> list[str]:
        """Walk out by themselves. Returns who was inside."""
        return self._go(chat_id, ids, "self")

    @verb
    def remove(self, chat_id: str, ids: Iterable[str] | str) -> list[str]:
        """Be shown the door by owner or admin. Returns who was inside."""
        return self._go(chat_id, ids, "removed")

    @verb
    def rename(self, chat_id: str, name: str) -> None:
        group = self.group(chat_id)
        self._keep_look(group)
        group.name = name
        self._announce_update(group, "change_name")

    @verb
    def set_notice(self, chat_id: str, notice: str) -> None:
        group = self.group(chat_id)
        self._keep_look(group)
        group.notice = notice
        self._announce_update(group, "change_notice")

    @verb
    def change_owner(self, chat_id: str, userid: str) -> None:
        """The owner gives the group to somebody in the client, who comes in if he is not."""
        group, staff = self.group(chat_id), self._working(userid)
        if staff.userid not in group.members:
            self.join(chat_id, [staff.userid], scene=1, inviter=group.owner)
        self._keep_look(group)
        group.owner, group.status = staff.userid, 0
        self._announce_update(group, "change_owner")

    @verb
    def set_admins(self, chat_id: str, userids: Iterable[str]) -> None:
        """The platform tells nobody."""
        self.group(chat_id).admins = [self.somebody(each).userid for each in userids]

    @verb
    def set_nickname(self, chat_id: str, member_id: str, nickname: str) -> None:
        self.group(chat_id).members[member_id].nickname = nickname

    @verb
    def dissolve(self, chat_id: str) -> None:
        group = self.group(chat_id)
        group.dissolved_at = self.clock.second()
        for each in list(group.members):
            self._exit(group, each, "dissolved")
        self._new_version(group)
        self._announce_chat(group, "dismiss")

    @verb
    def write(self, chat_id: str, member_id: str, count: int = 1) -> None:
        """Somebody writes in the group; only statistics see it."""
        group = self.group(chat_id)
        if member_id not in group.members:
            raise Impossible(f"{member_id} 不在群里")
        day = group.messages.setdefault(self.clock.now().date().isoformat(), {})
        day[member_id] = day.get(member_id, 0) + count

    # Steps ------------------------------------------------------------------------------------

    def _working(self, userid: str) -> Staff:
        if (staff := self.find_staff(userid)) is None:
            raise Impossible(f"没有在职员工 {userid}")
        return staff

    def _people(self, who: Iterable[str] | int) -> list[str]:
        if isinstance(who, int):
            return [self.add_person() for _ in range(who)]
        known = []
        for each in [who] if isinstance(who, str) else who:
            staff = self.find_staff(each)
            known.append(staff.userid if staff else self.person(each).id)
        return known

    def _enter(
        self, group: Group, member: str, at: int, scene: int, inviter: str, state: str
    ) -> None:
        kind = OUTSIDE if member in self.people else STAFF
        group.members[member] = Presence(member, kind, at, scene, inviter, state)

    def _exit(self, group: Group, member: str, reason: str) -> None:
        here = group.members.pop(member)
        group.past.append(
            Past(
                here.id,
                here.type,
                here.joined_at,
                self.clock.second(),
                reason,
                here.scene,
                here.inviter,
                here.state,
            )
        )

    def _go(self, chat_id: str, ids: Iterable[str] | str, reason: str) -> list[str]:
        group = self.group(chat_id)
        wanted = [ids] if isinstance(ids, str) else list(ids)
        gone = [each for each in dict.fromkeys(wanted) if each in group.members]
        if group.owner in gone:
            raise Impossible("群主要先转让群主，才能离开")
        if not gone:
            return []
        self._keep_look(group)
        for each in gone:
            self._exit(group, each, reason)
        self._announce_members(
            group, "del_member", gone, JoinScene=0, QuitScene=1 if reason == "removed" else 0
        )
        return gone

    def _keep_look(self, group: Group) -> None:
        """Before a change: what reads with a lag still show for a while."""
        if self.faults.read_lag > 0:
            now = self.clock.time()
            group.revisions = [x for x in group.revisions if x.changed_at > now - LONGEST_LAG]
            group.revisions.append(Revision(now, self.render(group)))

    def _new_version(self, group: Group) -> None:
        """Another member_version; the same changes give the same versions in every run."""
        text = f"{group.chat_id} {group.version} {self.next_serial()}"
        group.version = md5(text.encode(), usedforsecurity=False).hexdigest()

    # Telling ----------------------------------------------------------------------------------

    def _announce_chat(self, group: Group, change_type: str, *, at: int | None = None) -> None:
        if not group.internal:
            elements = [("ChatId", group.chat_id), ("ChangeType", change_type)]
            self.announce("change_external_chat", *elements, at=at, subject=group.chat_id)

    def _announce_update(self, group: Group, detail: str, **more: Any) -> None:
        if group.internal:
            return
        extra: dict[str, Any] = {"JoinScene": 0, "QuitScene": 0, "MemChangeCnt": 0, **more}
        if not self.faults.old_payload and "LastMemVer" not in extra:
            extra |= {"LastMemVer": Plain(group.version), "CurMemVer": Plain(group.version)}
        self.announce(
            "change_external_chat",
            ("ChatId", group.chat_id),
            ("ChangeType", "update"),
            ("UpdateDetail", detail),
            *extra.items(),
            subject=group.chat_id,
        )

    def _announce_members(
        self, group: Group, detail: str, members: list[str], **scenes: int
    ) -> None:
        """One event for all of them or one for each; old payloads name nobody."""
        parts = [[each] for each in members] if self.faults.event_per_member else [members]
        for part in parts:
            former = group.version
            self._new_version(group)
            fields: dict[str, Any] = {**scenes, "MemChangeCnt": len(part)}
            if not self.faults.old_payload:
                fields["MemChangeList"] = [] if self.faults.empty_member_list else part
                fields["LastMemVer"], fields["CurMemVer"] = Plain(former), Plain(group.version)
            self._announce_update(group, detail, **fields)
