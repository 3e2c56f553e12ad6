"""Departments and staff."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from scrm.wecom.simulator.announcing import Announcing
from scrm.wecom.simulator.callbacks import Plain
from scrm.wecom.simulator.clock import DAY
from scrm.wecom.simulator.records import App, Department, Staff
from scrm.wecom.simulator.refusals import Impossible
from scrm.wecom.simulator.state import verb

USERID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", re.ASCII)
ROOT = 1


@dataclass(kw_only=True)
class Directory(Announcing):
    """``staff`` is keyed by the lower-case userid: case does not tell them apart."""

    departments: dict[int, Department] = field(default_factory=dict)
    staff: dict[str, Staff] = field(default_factory=dict)

    # Asking -----------------------------------------------------------------------------------

    def find_staff(self, userid: str) -> Staff | None:
        """Somebody who works here now."""
        found = self.staff.get(userid.lower())
        return None if found is None or found.resigned else found

    def somebody(self, userid: str) -> Staff:
        """Somebody who works here or did; raises Impossible."""
        if (found := self.staff.get(userid.lower())) is None:
            raise Impossible(f"没有员工 {userid}")
        return found

    def below(self, department_id: int) -> list[Department]:
        """A department and all under it, parents first."""
        found = [self.departments[department_id]]
        for parent in found:
            found += [each for each in self.departments.values() if each.parent_id == parent.id]
        return found

    def is_visible(self, staff: Staff, app: App) -> bool:
        if app.users is None and app.departments is None:
            return True
        if staff.userid.lower() in {userid.lower() for userid in app.users or []}:
            return True
        return bool(self.visible_departments(app) & set(staff.departments))

    def visible_departments(self, app: App) -> set[int]:
        if app.users is None and app.departments is None:
            return set(self.departments)
        roots = [each for each in app.departments or [] if each in self.departments]
        return {each.id for root in roots for each in self.below(root)}

    # Doing ------------------------------------------------------------------------------------

    @verb
    def add_department(
        self, name: str, parent_id: int = ROOT, *, department_id: int = 0, order: int = 0
    ) -> int:
        if parent_id not in self.departments:
            raise Impossible(f"没有部门 {parent_id}")
        new_id = department_id or max(self.departments) + 1
        if new_id in self.departments:
            raise Impossible(f"部门 {new_id} 已存在")
        fresh = Department(new_id, name, parent_id, order or 100_000_000 - new_id * 1000)
        self.departments[new_id] = fresh
        self.announce(
            "change_contact",
            ("ChangeType", Plain("create_party")),
            ("Id", new_id),
            ("Name", name),
            ("ParentId", parent_id),
            ("Order", fresh.order),
            subject=str(new_id),
        )
        return new_id

    @verb
    def edit_department(
        self, department_id: int, *, name: str = "", parent_id: int | None = None
    ) -> None:
        if (department := self.departments.get(department_id)) is None:
            raise Impossible(f"没有部门 {department_id}")
        changed: list[tuple[str, str | int]] = []
        if name and name != department.name:
            department.name = name
            changed.append(("Name", name))
        if parent_id is not None and parent_id != department.parent_id:
            if parent_id in {each.id for each in self.below(department_id)}:
                raise Impossible("不能移到自己的下级")
            department.parent_id = parent_id
            changed.append(("ParentId", parent_id))
        if changed:
            self.announce(
                "change_contact",
                ("ChangeType", Plain("update_party")),
                ("Id", department_id),
                *changed,
                subject=str(department_id),
            )

    @verb
    def remove_department(self, department_id: int) -> None:
        if department_id == ROOT or len(self.below(department_id)) > 1:
            raise Impossible("根部门或有下级的部门不能删除")
        if any(department_id in each.departments and not each.resigned for each in self.everybody):
            raise Impossible("部门里还有员工")
        del self.departments[department_id]
        self.announce(
            "change_contact",
            ("ChangeType", Plain("delete_party")),
            ("Id", department_id),
            subject=str(department_id),
        )

    @property
    def everybody(self) -> list[Staff]:
        return list(self.staff.values())

    @verb
    def add_staff(
        self,
        userid: str,
        name: str,
        department: int | list[int] = ROOT,
        *,
        position: str = "",
        status: int = 1,
        real_name: bool = True,
        follows_customers: bool = True,
    ) -> Staff:
        departments = [department] if isinstance(department, int) else list(department)
        if not USERID.fullmatch(userid) or userid.lower() in self.staff:
            raise Impossible(f"userid {userid} 不合规或已被使用")
        if missing := set(departments) - set(self.departments):
            raise Impossible(f"没有部门 {missing}")
        fresh = Staff(
            userid,
            name,
            departments,
            position=position,
            status=status,
            real_name=real_name,
            follows_customers=follows_customers,
            last_login_at=self.clock.second(),
        )
        self.staff[userid.lower()] = fresh
        self._announce_staff("create_user", fresh, {"name", "departments", "position", "status"})
        return fresh

    @verb
    def edit_staff(self, userid: str, **changes: object) -> None:
        """Name, departments, position, status, alias and the flags the platform looks at."""
        staff = self.somebody(userid)
        changed = {field for field, value in changes.items() if getattr(staff, field) != value}
        for each in changed:
            setattr(staff, each, changes[each])
        if changed & {"name", "departments", "position", "status", "alias", "mobile"}:
            self._announce_staff("update_user", staff, changed)

    @verb
    def rename_staff(self, userid: str, new_userid: str) -> None:
        """Give somebody another userid, as an administrator may do once."""
        staff = self.somebody(userid)
        if not USERID.fullmatch(new_userid) or new_userid.lower() in self.staff:
            raise Impossible(f"userid {new_userid} 不合规或已被使用")
        del self.staff[userid.lower()]
        former, staff.userid = staff.userid, new_userid
        self.staff[new_userid.lower()] = staff
        self._userid_changed(former, new_userid)
        self.announce(
            "change_contact",
            ("ChangeType", Plain("update_user")),
            ("UserID", former),
            ("NewUserID", new_userid),
            ("Department", ",".join(map(str, staff.departments))),
            subject=former,
        )

    def _userid_changed(self, former: str, new: str) -> None:
        """For the parts that know people by their userid."""

    @verb
    def resign_staff(self, userid: str, *, last_login_days_ago: int = 0) -> None:
        """Somebody leaves the company: his groups and customers wait to be handed over."""
        staff = self.somebody(userid)
        if staff.resigned:
            raise Impossible(f"{userid} 已离职")
        staff.status, staff.resigned_at = 5, self.clock.second()
        if last_login_days_ago:
            staff.last_login_at = staff.resigned_at - last_login_days_ago * DAY
        self._left(staff)
        self.announce(
            "change_contact",
            ("ChangeType", Plain("delete_user")),
            ("UserID", staff.userid),
            subject=staff.userid,
        )

    def _left(self, staff: Staff) -> None:
        """For the parts that must know of somebody's leaving."""

    def _announce_staff(self, change_type: str, staff: Staff, changed: set[str]) -> None:
        departments = ("Department", ",".join(map(str, staff.departments)))
        always = [("ChangeType", Plain(change_type)), ("UserID", staff.userid)]
        if self.faults.reduced_directory:
            if change_type == "create_user" or "departments" in changed:
                self.announce("change_contact", *always, departments, subject=staff.userid)
            return
        details: dict[str, list[tuple[str, str | int]]] = {
            "name": [("Name", staff.name)],
            "departments": [departments, ("MainDepartment", staff.departments[0])],
            "position": [("Position", staff.position)],
            "mobile": [("Mobile", Plain(staff.mobile))],
            "status": [("Status", staff.status)],
            "alias": [("Alias", staff.alias)],
        }
        told = [pair for each, pairs in details.items() if each in changed for pair in pairs]
        self.announce("change_contact", *always, *told, subject=staff.userid)
