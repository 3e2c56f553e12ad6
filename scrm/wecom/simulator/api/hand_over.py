"""Hand-over of groups and customers (WeCom, pages 95703, 92127, 92125, 94081, 94082, 92124)."""

from __future__ import annotations

from typing import Any

from scrm.wecom.simulator.api.call import Answer, Call, cursor_place, cursor_text, endpoint, page_of
from scrm.wecom.simulator.records import Staff
from scrm.wecom.simulator.refusals import TEXTS, Refused

CHATS, CUSTOMERS, ROWS = 100, 100, 1000
LONGEST_MESSAGE = 200
DEEPEST_PAGE = 50_000


def taker_of(call: Call, userid: str) -> Staff:
    staff = call.corp.find_staff(userid)
    if staff is not None and not call.corp.is_visible(staff, call.app):
        raise Refused(84074)
    if (code := call.corp.taker_fault(staff)) or staff is None:
        raise Refused(code)
    return staff


def transfer_groups(call: Call, *, resigned: bool) -> Answer:
    chat_ids = call.texts("chat_id_list", at_most=CHATS, missing=40058)
    new_owner = taker_of(call, call.text("new_owner", missing=40058))
    failing, failed = call.failing_items(len(chat_ids)), []
    for index, chat_id in enumerate(chat_ids):
        group = call.corp.groups.get(chat_id)
        code = failing.get(index) or call.corp.group_fault(group, new_owner, resigned=resigned)
        if not code and group is not None:
            owner = call.corp.somebody(group.owner)
            code = 0 if call.corp.is_visible(owner, call.app) else 60011
        if code:
            failed.append({"chat_id": chat_id, "errcode": code, "errmsg": TEXTS.get(code, "")})
        elif group is not None:
            call.corp.hand_over_group(group, new_owner, resigned=resigned)
    return {"failed_chat_list": failed}


@endpoint("POST", "externalcontact/groupchat/onjob_transfer", failed_chat_list=[])
def onjob_transfer(call: Call) -> Answer:
    return transfer_groups(call, resigned=False)


@endpoint("POST", "externalcontact/groupchat/transfer", failed_chat_list=[])
def transfer(call: Call) -> Answer:
    return transfer_groups(call, resigned=True)


def transfer_customers(call: Call, giver: Staff) -> Answer:
    taker = taker_of(call, call.text("takeover_userid", missing=40058))
    customers = call.texts("external_userid", at_most=CUSTOMERS, missing=41035)
    failing, rows = call.failing_items(len(customers)), []
    for index, external_userid in enumerate(customers):
        code = failing.get(index) or call.corp.customer_fault(giver, taker, external_userid)
        if not code:
            call.corp.hand_over_customer(giver, taker, external_userid)
        rows.append({"external_userid": external_userid, "errcode": code})
    return {"customer": rows}


@endpoint("POST", "externalcontact/transfer_customer", customer=[])
def transfer_customer(call: Call) -> Answer:
    giver = call.corp.find_staff(call.text("handover_userid", missing=40058))
    if giver is None or not call.corp.is_visible(giver, call.app):
        raise Refused(40003)
    if call.corp.was_away(giver):
        raise Refused(40205)
    if len(call.text("transfer_success_msg")) > LONGEST_MESSAGE:
        raise Refused(40058, "transfer_success_msg too long")
    return transfer_customers(call, giver)


def resigned_giver(call: Call) -> Staff:
    giver = call.corp.staff.get(call.text("handover_userid", missing=40058).lower())
    if giver is None or not call.corp.is_visible(giver, call.app):
        raise Refused(40003)
    if not giver.resigned:
        raise Refused(40097)
    return giver


@endpoint("POST", "externalcontact/resigned/transfer_customer", customer=[])
def resigned_transfer_customer(call: Call) -> Answer:
    giver = resigned_giver(call)
    away = giver.resigned_at < call.corp.clock.second() - 365 * 86_400
    if away or call.corp.was_away(giver):
        raise Refused(40205)
    return transfer_customers(call, giver)


def results(call: Call, giver: Staff | None, *, resigned: bool) -> Answer:
    """The last hand-over of each customer between these two."""
    taker = call.corp.staff.get(call.text("takeover_userid", missing=40058).lower())
    if giver is None or taker is None:
        raise Refused(40003)
    last = {
        each.external_userid: each
        for each in call.corp.transfers
        if (each.handover_userid, each.takeover_userid) == (giver.userid, taker.userid)
        and each.resigned == resigned
    }
    shown, next_cursor = page_of(call, list(last.values()), ROWS, lambda each: each.serial)
    return {
        "customer": [
            {
                "external_userid": each.external_userid,
                "status": each.status,
                "takeover_time": each.takeover_time,
            }
            for each in shown
        ],
        "next_cursor": next_cursor,
    }


@endpoint("POST", "externalcontact/transfer_result", customer=[])
def transfer_result(call: Call) -> Answer:
    giver = call.corp.staff.get(call.text("handover_userid", missing=40058).lower())
    return results(call, giver, resigned=False)


@endpoint("POST", "externalcontact/resigned/transfer_result", customer=[])
def resigned_transfer_result(call: Call) -> Answer:
    return results(call, resigned_giver(call), resigned=True)


@endpoint("POST", "externalcontact/get_unassigned_list", info=[])
def get_unassigned_list(call: Call) -> Answer:
    size = call.number("page_size", ROWS)
    place = cursor_place(call)
    start = place[0] if place else call.number("page_id", 0) * size
    if not 1 <= size <= ROWS or not 0 <= start < DEEPEST_PAGE:
        raise Refused(40058, "page_size invalid")
    waiting = [pair for pair in call.corp.unassigned() if call.corp.is_visible(pair[0], call.app)]
    end = start + size
    rows: list[dict[str, Any]] = [
        {
            "handover_userid": staff.userid,
            "external_userid": contact.external_userid,
            "dimission_time": staff.resigned_at,
        }
        for staff, contact in waiting[start:end]
    ]
    more = end < len(waiting)
    return {
        "info": rows,
        "is_last": not more,
        "next_cursor": cursor_text(call.api, [end]) if more else "",
    }
