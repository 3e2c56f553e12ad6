"""Customers and the staff who know them (WeCom, pages 92571, 92113, 92114, 92994, 92115)."""

from __future__ import annotations

from typing import Any

from scrm.wecom.simulator.api.call import Answer, Call, cursor_place, cursor_text, endpoint
from scrm.wecom.simulator.records import Contact, Person, Staff
from scrm.wecom.simulator.refusals import Refused

REMARK, DESCRIPTION = 20, 150
FOLLOWERS_A_PAGE = 500


def customer_staff(call: Call, userid: str, *, unknown: int = 40003) -> Staff:
    """A working staff member in range who may use customer contact."""
    staff = call.corp.find_staff(userid)
    if staff is None or not call.corp.is_visible(staff, call.app):
        raise Refused(unknown)
    if not staff.follows_customers:
        raise Refused(84061)
    return staff


def shown_contact(call: Call, userid: str, external_userid: str) -> Contact:
    """Raises 84061 without a relation."""
    if external_userid not in call.corp.people:
        raise Refused(40096)
    contact = call.corp.contact(userid, external_userid)
    if contact is None or not contact.shown:
        raise Refused(84061)
    return contact


@endpoint("GET", "externalcontact/get_follow_user_list", follow_user=[])
def get_follow_user_list(call: Call) -> Answer:
    return {
        "follow_user": [
            staff.userid
            for staff in call.corp.everybody
            if staff.follows_customers
            and not staff.resigned
            and call.corp.is_visible(staff, call.app)
        ]
    }


@endpoint("GET", "externalcontact/list", external_userid=[])
def customer_list(call: Call) -> Answer:
    userid = call.query.get("userid", "")
    if not userid:
        raise Refused(60111)
    customers = call.corp.customers_of(customer_staff(call, userid).userid)
    if not customers:
        raise Refused(84061)
    return {"external_userid": [each.external_userid for each in customers]}


def full_person(call: Call, person: Person) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "external_userid": person.id,
        "name": person.name,
        "avatar": person.avatar,
        "type": person.type,
        "gender": person.gender,
    }
    if unionid := call.corp.unionid_of(person):
        shown["unionid"] = unionid
    if person.type == 2:
        shown |= {"position": "", "corp_name": person.corp_name, "corp_full_name": ""}
    return shown


def follow_info(contact: Contact) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "userid": contact.userid,
        "remark": contact.remark,
        "description": contact.description,
        "createtime": contact.created_at,
        "remark_mobiles": contact.remark_mobiles,
        "add_way": contact.add_way,
        "oper_userid": contact.oper_userid,
    }
    if contact.remark_company:
        shown["remark_corp_name"] = contact.remark_company
    if contact.channel:
        shown["state"] = contact.channel
    return shown


def full_tags(call: Call, contact: Contact) -> list[dict[str, Any]]:
    """Company tags with their ids; one that was deleted since is gone everywhere."""
    return [
        {"group_name": group, "tag_name": name, "tag_id": tag_id, "type": 1}
        for tag_id, (group, name) in call.corp.tag_names(contact.tags).items()
    ]


@endpoint("GET", "externalcontact/get")
def customer_get(call: Call) -> Answer:
    external_userid = call.query.get("external_userid", "")
    if not external_userid:
        raise Refused(41035)
    if (person := call.corp.people.get(external_userid)) is None:
        raise Refused(40096)
    contacts = call.corp.contacts_with(external_userid, call.app)
    if not contacts:
        raise Refused(84061)
    place = cursor_place(call)
    start = place[0] if place else 0
    end = start + FOLLOWERS_A_PAGE
    return {
        "external_contact": full_person(call, person),
        "follow_user": [
            {**follow_info(each), "tags": full_tags(call, each)} for each in contacts[start:end]
        ],
        "next_cursor": cursor_text(call.api, [end]) if end < len(contacts) else "",
    }


@endpoint("POST", "externalcontact/batch/get_by_user", external_contact_list=[])
def batch_get_by_user(call: Call) -> Answer:
    """In the order of the staff asked for; the cursor says whose customers come next."""
    userids = call.texts("userid_list", at_most=100, missing=40063)
    limit = min(call.number("limit", 50), 100)
    if limit < 1:
        raise Refused(40058, "limit invalid")
    asked = [customer_staff(call, userid) for userid in dict.fromkeys(userids)]
    index, after = cursor_place(call) or [0, -1]
    rows: list[Contact] = []
    while index < len(asked) and len(rows) <= limit:
        rows += [
            each for each in call.corp.customers_of(asked[index].userid) if each.serial > after
        ][: limit + 1 - len(rows)]
        if len(rows) <= limit:
            index, after = index + 1, -1
    more = len(rows) > limit
    rows = rows[:limit]
    if more:
        last = rows[-1]
        index = next(i for i, staff in enumerate(asked) if staff.userid == last.userid)
        after = last.serial
    return {
        "external_contact_list": [batch_row(call, each) for each in rows],
        "next_cursor": cursor_text(call.api, [index, after]) if more else "",
        "fail_info": {"unlicensed_userid_list": []},
    }


def batch_row(call: Call, contact: Contact) -> dict[str, Any]:
    return {
        "external_contact": full_person(call, call.corp.people[contact.external_userid]),
        "follow_info": {
            **follow_info(contact),
            "tag_id": list(call.corp.tag_names(contact.tags)),
        },
    }


@endpoint("POST", "externalcontact/remark")
def remark(call: Call) -> Answer:
    """No event follows."""
    staff = customer_staff(call, call.text("userid", missing=40058))
    external_userid = call.text("external_userid", missing=41035)
    contact = shown_contact(call, staff.userid, external_userid)
    fields = {"remark": REMARK, "description": DESCRIPTION, "remark_company": REMARK}
    given = [name for name in [*fields, "remark_mobiles"] if name in call.body]
    if not given and "remark_pic_mediaid" not in call.body:
        raise Refused(40058, "nothing to change")
    for name, longest in fields.items():
        if name in call.body:
            value = call.text(name)
            if len(value) > longest:
                raise Refused(40058, f"{name} too long")
            setattr(contact, name, value)
    if "remark_mobiles" in call.body:
        mobiles = call.texts("remark_mobiles", at_most=10)
        contact.remark_mobiles = [each for each in mobiles if each]
    return {}
