"""Filling a company at once, silently: for benchmarks and demonstrations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from scrm.wecom.simulator.groups import Groups
from scrm.wecom.simulator.names import nickname
from scrm.wecom.simulator.records import Department, Group, Person, Staff
from scrm.wecom.simulator.refusals import Impossible


def load(corp: Groups, content: dict[str, Any]) -> dict[str, list[str]]:
    """Rows as short lists, of which the last values may be missing; times are seconds since 1970:

    departments: id, name, parent id
    staff: userid, name, department id, position
    customers: external_userid, name, userid of the staff member (or ""), created at, unionid
    groups: chat_id (or ""), name, owner, created at, members
    members: id, joined at, scene, inviter, state; ids nobody knows become people.

    No callbacks, no limits. Returns the ids of what was loaded.
    """
    for row in content.get("departments", ()):
        _add_department(corp, *row)
    for row in content.get("staff", ()):
        _add_staff(corp, *row)
    customers = [_add_customer(corp, *row) for row in content.get("customers", ())]
    groups = [_add_group(corp, *row) for row in content.get("groups", ())]
    return {"customers": customers, "groups": groups}


def _add_department(corp: Groups, department_id: int, name: str, parent_id: int = 1) -> None:
    order = 100_000_000 - department_id * 1000
    corp.departments[department_id] = Department(department_id, name, parent_id, order)


def _add_staff(
    corp: Groups, userid: str, name: str, department: int = 1, position: str = ""
) -> None:
    if userid.lower() in corp.staff or department not in corp.departments:
        raise Impossible(f"员工 {userid} 已存在，或没有部门 {department}")
    corp.staff[userid.lower()] = Staff(
        userid, name, [department], position=position, last_login_at=corp.clock.second()
    )


def _add_customer(
    corp: Groups,
    external_userid: str,
    name: str = "",
    userid: str = "",
    created_at: int = 0,
    unionid: str = "",
) -> str:
    new_id = external_userid or corp.new_id("wm")
    corp.people[new_id] = person = _person(corp, new_id, name)
    person.unionid = unionid
    if userid:
        contact = corp._befriend(corp.somebody(userid), person, add_way=1, channel="")
        contact.created_at = created_at or contact.created_at
    return new_id


def _person(corp: Groups, new_id: str, name: str) -> Person:
    return Person(new_id, name or nickname(corp.next_serial()), 2 if new_id[:2] == "wo" else 1)


def _add_group(
    corp: Groups,
    chat_id: str,
    name: str,
    owner: str,
    created_at: int = 0,
    members: Iterable[Sequence[Any]] = (),
) -> str:
    staff, at = corp.somebody(owner), created_at or corp.clock.second()
    new_id = chat_id or corp.new_id("wr")
    group = Group(new_id, name, staff.userid, at, corp.next_serial())
    corp.groups[new_id] = group
    corp._enter(group, staff.userid, at, 1, "", "")
    for member in members:
        _add_member(corp, group, at, *member)
    corp._new_version(group)
    return new_id


def _add_member(
    corp: Groups,
    group: Group,
    default: int,
    member_id: str,
    joined_at: int = 0,
    scene: int = 3,
    inviter: str = "",
    state: str = "",
) -> None:
    found = corp.staff.get(member_id.lower())
    known = found.userid if found else member_id
    if found is None and known not in corp.people:
        corp.people[known] = _person(corp, known, "")
    corp._enter(group, known, joined_at or default, scene, inviter, state)
