"""Statistics of groups and of contacts (WeCom, pages 92133, 92132)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scrm.wecom.simulator.api.call import Answer, Call, endpoint
from scrm.wecom.simulator.api.groups import is_listed, owners_asked_for
from scrm.wecom.simulator.clock import DAY, day_start, moment
from scrm.wecom.simulator.records import Group
from scrm.wecom.simulator.refusals import Refused

SPAN, BACK = 30 * DAY, 180 * DAY
PEOPLE = 100
ORDERS = {1: "new_chat_cnt", 2: "chat_total", 3: "new_member_cnt", 4: "member_total"}


def window(call: Call, begin_name: str, end_name: str) -> tuple[int, int]:
    """Whole days, from yesterday back to half a year ago: the second is the end's midnight."""
    begin_text, end_text = call.body.get(begin_name), call.body.get(end_name)
    end_text = begin_text if end_text is None else end_text
    if not isinstance(begin_text, int) or not isinstance(end_text, int):
        raise Refused(600018)
    begin, end = day_start(begin_text), day_start(end_text) + DAY
    today = day_start(call.corp.clock.time())
    if not begin < end <= today or end - begin > SPAN or begin < today - BACK:
        raise Refused(600018)
    return begin, end


def counted(groups: Iterable[Group], begin: int, end: int) -> dict[str, int]:
    """What happened from ``begin`` and what there was at ``end``."""
    counts = dict.fromkeys(
        [
            "new_chat_cnt", "chat_total", "chat_has_msg", "new_member_cnt", "member_total",
            "member_has_msg", "msg_total", "migrate_trainee_chat_cnt",
        ],
        0,
    )  # fmt: skip
    first, last = moment(begin).date().isoformat(), moment(end - 1).date().isoformat()
    for group in groups:
        if group.created_at >= end:
            continue
        stays = [(each.joined_at, 0) for each in group.members.values()]
        stays += [(each.joined_at, each.left_at) for each in group.past]
        written = {day: said for day, said in group.messages.items() if first <= day <= last}
        counts["new_chat_cnt"] += group.created_at >= begin
        counts["chat_total"] += 1
        counts["chat_has_msg"] += bool(written)
        counts["new_member_cnt"] += sum(begin <= joined < end for joined, _ in stays)
        counts["member_total"] += sum(
            joined < end and (not left or left >= end) for joined, left in stays
        )
        counts["member_has_msg"] += len({who for said in written.values() for who in said})
        counts["msg_total"] += sum(
            sum(said.values()) for day, said in group.messages.items() if day <= last
        )
    return counts


def asked_groups(call: Call) -> list[Group]:
    owners = owners_asked_for(call)
    return [each for each in call.corp.groups.values() if is_listed(call, each, owners, 0)]


@endpoint("POST", "externalcontact/groupchat/statistic", items=[])
def statistic(call: Call) -> Answer:
    """One row per owner."""
    begin, end = window(call, "day_begin_time", "day_end_time")
    order, ascending = call.number("order_by", 1), call.number("order_asc", 0)
    offset, limit = call.number("offset", 0), call.number("limit", 500)
    if order not in ORDERS or ascending not in {0, 1}:
        raise Refused(40058, "order_by or order_asc invalid")
    if offset < 0 or not 1 <= limit <= 1000:
        raise Refused(40058, "offset or limit invalid")
    by_owner: dict[str, list[Group]] = {}
    for group in asked_groups(call):
        by_owner.setdefault(group.owner, []).append(group)
    rows: list[dict[str, Any]] = [
        {"owner": owner, "data": counted(groups, begin, end)} for owner, groups in by_owner.items()
    ]
    rows.sort(key=lambda row: row["data"][ORDERS[order]], reverse=not ascending)
    return {
        "total": len(rows),
        "next_offset": min(offset + limit, len(rows)),
        "items": rows[offset : offset + limit],
    }


@endpoint("POST", "externalcontact/groupchat/statistic_group_by_day", items=[])
def statistic_by_day(call: Call) -> Answer:
    """One row per day, of all the owners together."""
    begin, end = window(call, "day_begin_time", "day_end_time")
    groups = asked_groups(call)
    return {
        "items": [
            {"stat_time": day, "data": counted(groups, day, day + DAY)}
            for day in range(begin, end, DAY)
        ]
    }


@endpoint("POST", "externalcontact/get_user_behavior_data", behavior_data=[])
def behavior_data(call: Call) -> Answer:
    """The sum of all who are asked for. Chats with single customers are not simulated."""
    userids = call.texts("userid", at_most=PEOPLE)
    if not userids and not call.body.get("partyid"):
        raise Refused(40058, "userid and partyid are both empty")
    staff = [call.corp.find_staff(each) for each in userids]
    if None in staff:
        raise Refused(40003)
    begin, end = window(call, "start_time", "end_time")
    created = [
        contact.created_at
        for each in staff
        if each is not None
        for contact in call.corp.contacts.get(each.userid.lower(), {}).values()
    ]
    return {
        "behavior_data": [
            {
                "stat_time": day,
                "chat_cnt": 0,
                "message_cnt": 0,
                "negative_feedback_cnt": 0,
                "new_apply_cnt": sum(day <= at < day + DAY for at in created),
                "new_contact_cnt": sum(day <= at < day + DAY for at in created),
            }
            for day in range(begin, end, DAY)
        ]
    }
