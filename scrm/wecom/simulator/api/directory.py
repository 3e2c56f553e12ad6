"""Departments and staff (WeCom, pages 90208, 90196, 90201, 96067, 95402)."""

from __future__ import annotations

from typing import Any

from scrm.wecom.simulator.api.call import Answer, Call, cursor_place, cursor_text, endpoint
from scrm.wecom.simulator.directory import USERID
from scrm.wecom.simulator.records import Department, Staff
from scrm.wecom.simulator.refusals import Refused


def visible_departments(call: Call) -> list[Department]:
    """The asked department and all below it, as far as the app sees them."""
    corp, visible = call.corp, call.corp.visible_departments(call.app)
    text = call.query.get("id", "")
    if not text:
        return [each for each in corp.departments.values() if each.id in visible]
    asked = department_of(call, text)
    return [each for each in corp.below(asked.id) if each.id in visible]


def department_of(call: Call, text: str) -> Department:
    if not text.isdecimal() or (found := call.corp.departments.get(int(text))) is None:
        raise Refused(60123 if text.isdecimal() else 40058)
    if found.id not in call.corp.visible_departments(call.app):
        raise Refused(60011)
    return found


def full_department(department: Department) -> dict[str, Any]:
    return {
        "id": department.id,
        "name": department.name,
        "name_en": "",
        "department_leader": department.leaders,
        "parentid": department.parent_id,
        "order": department.order,
    }


@endpoint("GET", "department/list", department=[])
def department_list(call: Call) -> Answer:
    return {"department": [full_department(each) for each in visible_departments(call)]}


@endpoint("GET", "department/simplelist", department_id=[])
def department_simplelist(call: Call) -> Answer:
    return {
        "department_id": [
            {"id": each.id, "parentid": each.parent_id, "order": each.order}
            for each in visible_departments(call)
        ]
    }


@endpoint("GET", "department/get")
def department_get(call: Call) -> Answer:
    return {"department": full_department(department_of(call, call.query.get("id", "")))}


def full_staff(call: Call, staff: Staff) -> dict[str, Any]:
    visible = call.corp.visible_departments(call.app)
    departments = [each for each in staff.departments if each in visible] or staff.departments
    shown: dict[str, Any] = {
        "userid": staff.userid,
        "name": staff.name,
        "department": departments,
        "order": [0] * len(departments),
        "position": staff.position,
        "is_leader_in_dept": [0] * len(departments),
        "direct_leader": [],
        "telephone": "",
        "alias": staff.alias,
        "open_userid": "",
        "main_department": staff.departments[0],
        "status": staff.status,
        "extattr": {"attrs": []},
        "external_position": staff.position,
        "external_profile": {"external_corp_name": call.corp.name, "external_attr": []},
    }
    if not call.corp.settings.hidden_staff_fields:
        shown |= {"mobile": staff.mobile, "gender": "0", "email": "", "avatar": ""}
    return shown


EMPTY_STAFF: dict[str, Any] = {
    "department": [],
    "order": [],
    "is_leader_in_dept": [],
    "direct_leader": [],
}


@endpoint("GET", "user/get", **EMPTY_STAFF)
def user_get(call: Call) -> Answer:
    userid = call.query.get("userid", "")
    if not userid:
        raise Refused(41009)
    if not USERID.fullmatch(userid):
        raise Refused(40003)
    staff = call.corp.find_staff(userid)
    if staff is None or not call.corp.is_visible(staff, call.app):
        raise Refused(60111)
    return full_staff(call, staff)


def staff_of_department(call: Call) -> list[Staff]:
    department = department_of(call, call.query.get("department_id", ""))
    return [
        staff
        for staff in call.corp.everybody
        if department.id in staff.departments
        and not staff.resigned
        and call.corp.is_visible(staff, call.app)
    ]


@endpoint("GET", "user/simplelist", userlist=[])
def user_simplelist(call: Call) -> Answer:
    return {
        "userlist": [
            {
                "userid": staff.userid,
                "name": staff.name,
                "department": staff.departments,
                "open_userid": "",
            }
            for staff in staff_of_department(call)
        ]
    }


@endpoint("GET", "user/list", userlist=[])
def user_list(call: Call) -> Answer:
    return {"userlist": [full_staff(call, staff) for staff in staff_of_department(call)]}


@endpoint("POST", "user/list_id", dept_user=[])
def user_list_id(call: Call) -> Answer:
    """Only for the secret that synchronises the directory."""
    if not call.app.contact_sync:
        raise Refused(48002)
    limit = call.number("limit", 10_000)
    if not 1 <= limit <= 10_000:
        raise Refused(40058, "limit invalid")
    rows = [
        {"userid": staff.userid, "department": department}
        for staff in call.corp.everybody
        if not staff.resigned
        for department in staff.departments
    ]
    place = cursor_place(call)
    start = place[0] if place else 0
    more = start + limit < len(rows)
    next_cursor = cursor_text(call.api, [start + limit]) if more else ""
    return {"dept_user": rows[start : start + limit], "next_cursor": next_cursor}


@endpoint("POST", "user/getuserid")
def user_getuserid(call: Call) -> Answer:
    mobile = call.text("mobile", missing=40058)
    for staff in call.corp.everybody:
        if staff.mobile == mobile and not staff.resigned:
            return {"userid": staff.userid}
    raise Refused(46004)


@endpoint("GET", "getcallbackip", ip_list=[])
def getcallbackip(call: Call) -> Answer:
    return {"ip_list": ["127.0.0.1"]}


@endpoint("GET", "get_api_domain_ip", ip_list=[])
def get_api_domain_ip(call: Call) -> Answer:
    return {"ip_list": ["127.0.0.1"]}
