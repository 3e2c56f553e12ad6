"""Customer groups (WeCom, pages 92120, 92122, 94822)."""

from __future__ import annotations

from scrm.wecom.simulator.api.call import Answer, Call, endpoint, page_of
from scrm.wecom.simulator.records import Group, Staff
from scrm.wecom.simulator.refusals import Refused


def owners_asked_for(call: Call) -> set[str] | None:
    """Lower-case userids of owner_filter, or None for everybody in range."""
    userids = call.texts("userid_list", at_most=100, inside="owner_filter")
    if not userids:
        people = sum(
            call.corp.is_visible(each, call.app) and not each.resigned
            for each in call.corp.everybody
        )
        if people > call.corp.settings.people_without_owner_filter:
            raise Refused(81017)
        return None
    for userid in userids:
        staff = call.corp.staff.get(userid.lower())
        if staff is None or not call.corp.is_visible(staff, call.app):
            raise Refused(40003)
        if staff.resigned and call.corp.faults.resigned_owner_filter_refused:
            raise Refused(40003)
    return {userid.lower() for userid in userids}


def is_listed(call: Call, group: Group, owners: set[str] | None, status: int) -> bool:
    """Without a filter the groups of people who left show only when asked for by status."""
    owner: Staff | None = call.corp.staff.get(group.owner.lower())
    if group.dissolved_at or group.internal or owner is None:
        return False
    if status and group.status != status:
        return False
    if owners is not None:
        return group.owner.lower() in owners
    return call.corp.is_visible(owner, call.app) and (not owner.resigned or status in {1, 2})


@endpoint("POST", "externalcontact/groupchat/list", group_chat_list=[])
def groupchat_list(call: Call) -> Answer:
    status = call.number("status_filter", 0)
    if status not in {0, 1, 2, 3}:
        raise Refused(40058, "status_filter invalid")
    limit = call.number("limit")
    if not 1 <= limit <= 1000:
        raise Refused(40058, "limit invalid")
    owners = owners_asked_for(call)
    listed = [
        group for group in call.corp.groups.values() if is_listed(call, group, owners, status)
    ]
    shown, next_cursor = page_of(call, listed, limit, lambda group: group.serial)
    return {
        "group_chat_list": [{"chat_id": each.chat_id, "status": each.status} for each in shown],
        "next_cursor": next_cursor,
    }


@endpoint("POST", "externalcontact/groupchat/get")
def groupchat_get(call: Call) -> Answer:
    chat_id = call.text("chat_id", missing=40050)
    if (group := call.corp.groups.get(chat_id)) is None:
        raise Refused(40050)
    if group.internal:
        raise Refused(90501)
    if group.dissolved_at:
        raise Refused(49008)
    owner = call.corp.staff.get(group.owner.lower())
    if owner is None or not call.corp.is_visible(owner, call.app):
        raise Refused(60011)
    shown = call.corp.appearance(group)
    if not call.number("need_name", 0):
        members = [{k: v for k, v in each.items() if k != "name"} for each in shown["member_list"]]
        shown = {**shown, "member_list": members}
    return {"group_chat": shown}


@endpoint("POST", "externalcontact/opengid_to_chatid")
def opengid_to_chatid(call: Call) -> Answer:
    """Here the opengid of a group is ``og`` and its chat_id."""
    opengid = call.text("opengid", missing=90511)
    group = call.corp.groups.get(opengid.removeprefix("og"))
    if group is None or not opengid.startswith("og"):
        raise Refused(90511)
    return {"chat_id": group.chat_id}
