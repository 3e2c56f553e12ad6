"""What the buttons of the pages do; each returns a sentence for the person who pressed it."""

from __future__ import annotations

from collections.abc import Callable

from scrm.wecom.simulator.corp import Corp
from scrm.wecom.simulator.refusals import Impossible

Fields = dict[str, str]
MOST_AT_ONCE = 500
RATES = ("drop", "duplicate", "delay", "reorder")
SWITCHES = (
    "old_payload", "event_per_member", "reduced_directory", "owner_change_event",
    "resigned_owner_filter_refused",
)  # fmt: skip


def perform(corp: Corp, action: str, fields: Fields) -> str:
    if action not in ACTIONS:
        raise Impossible("没有这个操作")
    return ACTIONS[action](corp, fields)


def number_of(fields: Fields, name: str, highest: int = MOST_AT_ONCE) -> int:
    text = fields.get(name, "") or "0"
    if not text.isdecimal() or not 0 < int(text) <= highest:
        raise Impossible(f"请填 1 到 {highest} 之间的数")
    return int(text)


def ids_of(corp: Corp, fields: Fields) -> list[str]:
    """The chosen members, or some number of those who came last."""
    if chosen := [each for each in fields.get("ids", "").split(",") if each]:
        return chosen
    group = corp.group(fields["chat_id"])
    outside = [each.id for each in group.members.values() if each.type == 2]
    return outside[-number_of(fields, "count") :]


def join(corp: Corp, fields: Fields) -> str:
    came = corp.join(fields["chat_id"], count=number_of(fields, "count"))
    return f"{len(came)} 人已进群"


def leave(corp: Corp, fields: Fields) -> str:
    return f"{len(corp.leave(fields['chat_id'], ids_of(corp, fields)))} 人已退群"


def remove(corp: Corp, fields: Fields) -> str:
    return f"{len(corp.remove(fields['chat_id'], ids_of(corp, fields)))} 人已被移出"


def rename(corp: Corp, fields: Fields) -> str:
    corp.rename(fields["chat_id"], fields.get("name", ""))
    return "群名已改"


def set_notice(corp: Corp, fields: Fields) -> str:
    corp.set_notice(fields["chat_id"], fields.get("notice", ""))
    return "群公告已改"


def change_owner(corp: Corp, fields: Fields) -> str:
    corp.change_owner(fields["chat_id"], fields["userid"])
    return "群主已换"


def dissolve(corp: Corp, fields: Fields) -> str:
    corp.dissolve(fields["chat_id"])
    return "群已解散"


def create_group(corp: Corp, fields: Fields) -> str:
    count = int(fields.get("count") or 0)
    corp.create_group(fields["userid"], fields.get("name", ""), members=min(count, MOST_AT_ONCE))
    return "群已创建"


def add_staff(corp: Corp, fields: Fields) -> str:
    staff = corp.add_staff(fields["userid"], fields.get("name") or fields["userid"])
    return f"{staff.name} 已入职"


def resign_staff(corp: Corp, fields: Fields) -> str:
    corp.resign_staff(fields["userid"])
    return "已离职，名下的群和客户待分配"


def add_customer(corp: Corp, fields: Fields) -> str:
    external_userid = corp.add_customer(fields.get("name", ""), staff=fields["userid"])
    return f"{corp.person(external_userid).name} 已加 {fields['userid']} 为联系人"


def delete_contact(corp: Corp, fields: Fields) -> str:
    corp.delete_contact(fields["userid"], fields["external_userid"], by=fields.get("by", ""))
    return "已删除"


def tap_send(corp: Corp, fields: Fields) -> str:
    return f"已发送，送达 {corp.tap_send(fields['msgid'], fields['userid'])} 个"


def tap_all(corp: Corp, fields: Fields) -> str:
    return f"已全部发送，送达 {corp.tap_all(fields['msgid'])} 个"


def accept_transfer(corp: Corp, fields: Fields) -> str:
    corp.accept_transfer(fields["external_userid"])
    return "客户已同意"


def refuse_transfer(corp: Corp, fields: Fields) -> str:
    corp.refuse_transfer(fields["external_userid"])
    return "客户已拒绝"


def move_clock(corp: Corp, fields: Fields) -> str:
    corp.clock.advance(number_of(fields, "seconds", 366 * 86_400))
    return "时间已拨快"


def set_faults(corp: Corp, fields: Fields) -> str:
    """All of the form at once: an unchecked box is off."""
    with corp.lock:
        for name in RATES:
            rate = float(fields.get(name) or 0) / 100
            if not 0 <= rate <= 1:
                raise Impossible("比例在 0 到 100 之间")
            setattr(corp.faults, name, rate)
        for name in SWITCHES:
            setattr(corp.faults, name, name in fields)
        corp.faults.read_lag = min(max(float(fields.get("read_lag") or 0), 0.0), 60.0)
        corp.changes += 1
    return "故障设置已保存"


def add_trouble(corp: Corp, fields: Fields) -> str:
    kind = fields.get("kind", "refuse")
    if kind not in {"refuse", "status", "lost_answer", "slow", "truncate", "fail_items"}:
        raise Impossible("没有这种故障")
    with corp.lock:
        corp.faults.add(
            kind,
            fields.get("api") or "*",
            code=int(fields.get("code") or 0),
            times=number_of(fields, "times", 100_000),
            seconds=min(float(fields.get("seconds") or 0), 60.0),
        )
        corp.changes += 1
    return "接口故障已加上"


def clear_faults(corp: Corp, fields: Fields) -> str:
    with corp.lock:
        corp.faults.clear()
        corp.changes += 1
    return "没有故障了"


def end_tokens(corp: Corp, fields: Fields) -> str:
    corp.end_tokens(42001 if fields.get("code") == "42001" else 40014)
    return "已发出的 access_token 全部失效"


def hold_callbacks(corp: Corp, fields: Fields) -> str:
    corp.outbox.hold()
    return "回调已扣住"


def release_callbacks(corp: Corp, fields: Fields) -> str:
    return f"放行了 {corp.outbox.release()} 个回调"


ACTIONS: dict[str, Callable[[Corp, Fields], str]] = {
    each.__name__: each
    for each in (
        join, leave, remove, rename, set_notice, change_owner, dissolve, create_group,
        add_staff, resign_staff, add_customer, delete_contact, tap_send, tap_all,
        accept_transfer, refuse_transfer, move_clock, set_faults, add_trouble, clear_faults,
        end_tokens, hold_callbacks, release_callbacks,
    )
}  # fmt: skip


# --- Scanning -----------------------------------------------------------------------------------


def scanning_person(corp: Corp, fields: Fields) -> str:
    """Somebody chosen, or somebody new with the given name."""
    if chosen := fields.get("external_userid", ""):
        return corp.person(chosen).id
    return corp.add_person(fields.get("name", "")[:64])


def scan_group(corp: Corp, chat_id: str, fields: Fields) -> str:
    with corp.lock:
        corp.group(chat_id)
        person = scanning_person(corp, fields)
        came = corp.join(chat_id, [person], scene=3, state=fields.get("state", ""))
    name = corp.person(person).name
    return f"{name} 已进群" if came else f"{name} 本来就在群里"


def scan_way(corp: Corp, config_id: str, fields: Fields) -> str:
    with corp.lock:
        person = scanning_person(corp, fields)
        chat_id = corp.scan(config_id, [person])
    return f"{corp.person(person).name} 已进群「{corp.groups[chat_id].name}」"
