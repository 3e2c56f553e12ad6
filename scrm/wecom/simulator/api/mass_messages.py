"""Mass messages (WeCom, pages 92135, 97610, 97611, 93338)."""

from __future__ import annotations

from typing import Any

from scrm.wecom.simulator.api.call import Answer, Call, endpoint, page_of
from scrm.wecom.simulator.api.content import checked_attachments, checked_text
from scrm.wecom.simulator.clock import DAY
from scrm.wecom.simulator.mass_messages import REMINDERS, UNSENT, MassMessage
from scrm.wecom.simulator.records import Staff
from scrm.wecom.simulator.refusals import Refused

CUSTOMERS, CHATS, TAGS = 10_000, 2_000, 100
LONGEST_SPAN = 31 * DAY

Chosen = tuple[dict[str, list[str]], list[str]]
"""Recipients by the staff who send to them, and those who cannot be reached."""


@endpoint("POST", "externalcontact/add_msg_template", fail_list=[])
def add_msg_template(call: Call) -> Answer:
    chat_type = call.text("chat_type", default="single")
    if chat_type not in {"single", "group"}:
        raise Refused(40058, "chat_type invalid")
    sender = sender_of(call, required=chat_type == "group")
    text, attachments = checked_text(call), checked_attachments(call)
    if not text and not attachments:
        raise Refused(40063)
    if chat_type == "group":
        assert sender is not None
        chosen, unreachable = chosen_groups(call, sender)
    else:
        chosen, unreachable = chosen_customers(call, sender)
    chosen, failed = without_failing(call, chosen)
    everybody = [each for ids in chosen.values() for each in ids]
    picks = chat_type == "group" and not everybody and not unreachable and not failed
    if not picks and all(call.corp.has_enough(each) for each in everybody):
        raise Refused(41048, fail_list=[*unreachable, *failed, *everybody])
    message = call.corp.make_mass_message(call.app.agent_id, chat_type, text, attachments, chosen)
    return {"fail_list": [*unreachable, *failed], "msgid": message.msgid}


def sender_of(call: Call, *, required: bool) -> Staff | None:
    userid = call.text("sender", missing=40058 if required else 0)
    if not userid:
        return None
    staff = call.corp.find_staff(userid)
    if staff is None or not call.corp.is_visible(staff, call.app):
        raise Refused(40003)
    if not staff.follows_customers:
        raise Refused(84074)
    if staff.status != 1:
        raise Refused(41054)
    return staff


def chosen_groups(call: Call, sender: Staff) -> Chosen:
    """None named: the owner picks among his own."""
    chat_ids = call.texts("chat_id_list", at_most=CHATS)
    own = set(call.corp.own_groups(sender.userid))
    unreachable = [each for each in chat_ids if each not in own]
    if chat_ids and len(unreachable) == len(chat_ids):
        raise Refused(41048, fail_list=unreachable)
    return {sender.userid: [each for each in dict.fromkeys(chat_ids) if each in own]}, unreachable


def chosen_customers(call: Call, sender: Staff | None) -> Chosen:
    """Named ones, else those with the tags, else all of the sender's."""
    named = call.texts("external_userid", at_most=CUSTOMERS)
    filtered = call.object("tag_filter")
    if not named and filtered is None and sender is None:
        raise Refused(40063, "sender, external_userid and tag_filter are all empty")
    wanted = list(dict.fromkeys(named)) if named else tagged(call, sender, filtered)
    chosen: dict[str, list[str]] = {}
    unreachable = []
    for each in wanted:
        userid = sending_staff(call, each, sender)
        if userid:
            chosen.setdefault(userid, []).append(each)
        else:
            unreachable.append(each)
    if not chosen:
        raise Refused(84061 if named else 41048, fail_list=unreachable)
    return chosen, unreachable


def sending_staff(call: Call, external_userid: str, sender: Staff | None) -> str:
    if sender is None:
        return call.corp.last_talker(external_userid)
    contact = call.corp.contact(sender.userid, external_userid)
    return sender.userid if contact is not None and contact.state == "friends" else ""


def tagged(call: Call, sender: Staff | None, filtered: dict[str, Any] | None) -> list[str]:
    """Any tag of each list."""
    lists = [set(group.get("tag_list", [])) for group in (filtered or {}).get("group_list", [])]
    if any(len(each) > TAGS for each in lists):
        raise Refused(40058, "tag_list size out of range")
    for tag_id in set().union(*lists):
        if not call.corp.tag_names([tag_id]):
            raise Refused(40068)
    staff = [sender] if sender is not None else call.corp.everybody
    return list(
        dict.fromkeys(
            contact.external_userid
            for each in staff
            if not each.resigned and call.corp.is_visible(each, call.app)
            for contact in call.corp.customers_of(each.userid)
            if all(tags & set(contact.tags) for tags in lists)
        )
    )


def without_failing(
    call: Call, chosen: dict[str, list[str]]
) -> tuple[dict[str, list[str]], list[str]]:
    everybody = [each for ids in chosen.values() for each in ids]
    failing = {everybody[index] for index in call.failing_items(len(everybody))}
    kept = {userid: [each for each in ids if each not in failing] for userid, ids in chosen.items()}
    return kept, sorted(failing)


# --- Reminding and stopping ---------------------------------------------------------------------


def message_of(call: Call) -> MassMessage:
    """Of this app's own."""
    message = call.corp.mass_messages.get(call.text("msgid", missing=41046))
    if message is None or message.agent_id != call.app.agent_id:
        raise Refused(41047)
    return message


@endpoint("POST", "externalcontact/remind_groupmsg_send")
def remind(call: Call) -> Answer:
    message, now = message_of(call), call.corp.clock.second()
    if message.cancelled:
        raise Refused(41093)
    message.reminded_at = [at for at in message.reminded_at if at > now - DAY]
    if len(message.reminded_at) >= REMINDERS:
        raise Refused(41094)
    message.reminded_at.append(now)
    return {}


@endpoint("POST", "externalcontact/cancel_groupmsg_send")
def cancel(call: Call) -> Answer:
    message = message_of(call)
    if message.cancelled:
        raise Refused(41093)
    message.cancelled = True
    return {}


# --- Records ------------------------------------------------------------------------------------


def row_limit(call: Call, default: int, highest: int) -> int:
    """Above the highest, the default counts."""
    limit = call.number("limit", default)
    if limit < 1:
        raise Refused(40058, "limit invalid")
    return min(default if limit > highest else limit, call.corp.settings.record_rows)


@endpoint("POST", "externalcontact/get_groupmsg_list_v2", group_msg_list=[])
def message_list(call: Call) -> Answer:
    """Made by an API, so nobody is their creator and all belong to the company."""
    chat_type = call.text("chat_type", missing=40058)
    start, end = call.number("start_time"), call.number("end_time")
    filter_type = call.number("filter_type", 2)
    if chat_type not in {"single", "group"} or filter_type not in {0, 1, 2}:
        raise Refused(40058)
    if not 0 <= end - start <= LONGEST_SPAN:
        raise Refused(40058, "time range invalid")
    listed = [
        each
        for each in call.corp.mass_messages.values()
        if each.chat_type == chat_type
        and start <= each.created_at <= end
        and call.corp.is_listed(each)
        and filter_type != 1
        and not call.text("creator")
    ]
    limit = row_limit(call, 50, 100)
    shown, next_cursor = page_of(call, listed, limit, lambda each: each.serial)
    return {"group_msg_list": [message_row(each) for each in shown], "next_cursor": next_cursor}


def message_row(message: MassMessage) -> dict[str, Any]:
    return {
        "msgid": message.msgid,
        "create_time": int(message.created_at),
        "create_type": 0,
        "text": {"content": message.text},
        "attachments": message.attachments,
    }


def dispatched(call: Call) -> MassMessage:
    message = message_of(call)
    if call.corp.is_dispatching(message):
        raise Refused(41063)
    return message


@endpoint("POST", "externalcontact/get_groupmsg_task", task_list=[])
def message_tasks(call: Call) -> Answer:
    tasks = list(enumerate(dispatched(call).tasks.values()))
    shown, next_cursor = page_of(call, tasks, row_limit(call, 500, 1000), lambda pair: pair[0])
    rows = []
    for _, task in shown:
        row: dict[str, Any] = {"userid": task.userid, "status": task.status}
        rows.append(row if task.status == UNSENT else {**row, "send_time": task.send_time})
    return {"task_list": rows, "next_cursor": next_cursor}


@endpoint("POST", "externalcontact/get_groupmsg_send_result", send_list=[])
def message_results(call: Call) -> Answer:
    """One row per recipient; groups show only once they were sent to."""
    message = dispatched(call)
    task = message.tasks.get(call.text("userid", missing=40058).lower())
    if task is None:
        raise Refused(40003)
    name = "chat_id" if message.chat_type == "group" else "external_userid"
    listed = [
        (index, each)
        for index, each in enumerate(task.recipients)
        if each.status or message.chat_type == "single"
    ]
    shown, next_cursor = page_of(call, listed, row_limit(call, 500, 1000), lambda pair: pair[0])
    rows = []
    for _, each in shown:
        row: dict[str, Any] = {name: each.id, "userid": task.userid, "status": each.status}
        rows.append({**row, "send_time": each.send_time} if each.send_time else row)
    return {"send_list": rows, "next_cursor": next_cursor}
