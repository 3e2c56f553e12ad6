"""What the platform has no API for, under /_sim/: people's doings, the clock and the faults.

GET /_sim/ lists every verb with its arguments. A verb of a company is
``POST /_sim/corps/<corp_id>/<verb>`` with its arguments as a JSON object.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from scrm.wecom.simulator.corp import Corp
from scrm.wecom.simulator.refusals import Impossible, Refused
from scrm.wecom.simulator.world import World

Arguments = dict[str, Any]

VERBS = (
    # the company's server
    "set_callback", "remove_callback", "add_app", "end_tokens", "load",
    # directory
    "add_department", "edit_department", "remove_department",
    "add_staff", "edit_staff", "rename_staff", "resign_staff", "add_busy_staff", "left_behind",
    # customers
    "add_person", "add_customer", "add_contact", "edit_contact", "delete_contact",
    "rename_person", "talk",
    # groups
    "create_group", "join", "leave", "remove", "rename", "set_notice", "change_owner",
    "set_admins", "set_nickname", "dissolve", "write", "truth",
    # what staff and customers answer
    "tap_send", "tap_all", "accept_transfer", "refuse_transfer", "refuse_transfers",
    "bind_welcome", "scan",
    "add_tags", "rename_tag", "remove_tag",
)  # fmt: skip


class NotFound(Exception):
    """No such company, verb or place."""


class Wrong(Exception):
    """The arguments do not fit; the message says which."""


def call(world: World, method: str, path: str, arguments: Arguments) -> Any:
    """What a path under /_sim/ answers, as plain values."""
    parts = [part for part in path.split("/") if part]
    match method, parts:
        case "GET", []:
            return description()
        case "GET", ["corps"]:
            return {"corps": [overview(corp) for corp in world.corps.values()]}
        case "POST", ["corps"]:
            return made(world, arguments)
        case "GET", ["corps", corp_id]:
            return overview(corp_of(world, corp_id))
        case "GET", ["corps", corp_id, "groups"]:
            return {"groups": groups(corp_of(world, corp_id))}
        case "GET", ["corps", corp_id, "truth", chat_id]:
            return plain(corp_of(world, corp_id).truth(chat_id))
        case "GET", ["corps", corp_id, "mass_messages"]:
            return {"mass_messages": mass_messages(corp_of(world, corp_id))}
        case "GET", ["corps", corp_id, "callbacks"]:
            return callbacks(corp_of(world, corp_id))
        case "POST", ["corps", corp_id, verb]:
            return {"result": plain(done(corp_of(world, corp_id), verb, arguments))}
    raise NotFound("没有这个地址")


def corp_of(world: World, corp_id: str) -> Corp:
    if (corp := world.corps.get(corp_id)) is None:
        raise NotFound(f"没有企业 {corp_id}")
    return corp


# --- Doing --------------------------------------------------------------------------------------


def done(corp: Corp, verb: str, arguments: Arguments) -> Any:
    if verb in OTHER_VERBS:
        with corp.lock:
            corp.changes += 1
            return fitting(OTHER_VERBS[verb], arguments, corp)
    if verb not in VERBS:
        raise NotFound(f"没有动作 {verb}")
    return fitting(getattr(corp, verb), arguments)


def fitting(action: Callable[..., Any], arguments: Arguments, *before: Any) -> Any:
    """Call it if the arguments fit, and say in what way they do not."""
    given = dict(arguments)
    for name in ("created_at", "to"):
        if isinstance(given.get(name), str):
            given[name] = instant(given[name])
    try:
        inspect.signature(action).bind(*before, **given)
    except TypeError as error:
        raise Wrong(str(error)) from None
    try:
        return action(*before, **given)
    except (TypeError, AttributeError, KeyError) as error:
        raise Wrong(f"{type(error).__name__}: {error}") from None


def instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Wrong(f"{text} 不是时间，格式如 2026-11-20T08:00:00+08:00") from None
    if moment.tzinfo is None:
        raise Wrong(f"{text} 缺少时区")
    return moment


def made(world: World, arguments: Arguments) -> dict[str, Any]:
    """A new company, with the secret that an app of it needs."""
    corp = fitting(world.create_corp, arguments)
    return {"corp_id": corp.corp_id, "agent_id": corp.agent_id, "secret": corp.secret}


def move_clock(
    corp: Corp, *, seconds: float = 0.0, to: datetime | None = None, frozen: bool | None = None
) -> str:
    """Move the clock by some seconds or to a moment, stop it or let it run."""
    if to is not None:
        corp.clock.set(to)
    if frozen is not None:
        corp.clock.freeze() if frozen else corp.clock.run()
    if seconds:
        corp.clock.advance(float(seconds))
    return corp.clock.now().isoformat()


def set_faults(corp: Corp, **values: Any) -> dict[str, Any]:
    """Change faults by their names; what is not named stays."""
    return changed(corp.faults, values, {"troubles", "chance"})


def set_settings(corp: Corp, **values: Any) -> dict[str, Any]:
    return changed(corp.settings, values, set())


def changed(holder: Any, values: Arguments, fixed: set[str]) -> dict[str, Any]:
    for name, value in values.items():
        former = getattr(holder, name, None)
        if former is None or name in fixed or name.startswith("_") or callable(former):
            raise Wrong(f"没有 {name}")
        if isinstance(former, float) and isinstance(value, int):
            value = float(value)
        if type(value) is not type(former):
            raise Wrong(f"{name} 应是 {type(former).__name__}")
        setattr(holder, name, value)
    return {k: v for k, v in asdict(holder).items() if k not in fixed}


def add_trouble(corp: Corp, kind: str, api: str = "*", **values: Any) -> int:
    """kind: refuse, status, lost_answer, slow, truncate or fail_items; see Trouble."""
    corp.faults.add(kind, api, **values)
    return len(corp.faults.troubles)


def clear_faults(corp: Corp) -> None:
    corp.faults.clear()


def hold_callbacks(corp: Corp) -> None:
    corp.outbox.hold()


def release_callbacks(corp: Corp) -> int:
    """Post what was held, and go on posting. Returns how many were held."""
    return corp.outbox.release()


OTHER_VERBS: dict[str, Callable[..., Any]] = {
    "move_clock": move_clock,
    "set_faults": set_faults,
    "set_settings": set_settings,
    "add_trouble": add_trouble,
    "clear_faults": clear_faults,
    "hold_callbacks": hold_callbacks,
    "release_callbacks": release_callbacks,
}

# --- Showing ------------------------------------------------------------------------------------


def description() -> dict[str, Any]:
    return {
        "about": "Simulated WeCom. Its API is under /cgi-bin/, this is how to make things happen.",
        "GET": [
            "/_sim/corps", "/_sim/corps/<corp_id>", "/_sim/corps/<corp_id>/groups",
            "/_sim/corps/<corp_id>/truth/<chat_id>", "/_sim/corps/<corp_id>/callbacks",
            "/_sim/corps/<corp_id>/mass_messages",
        ],
        "POST /_sim/corps": {"name": "required", "corp_id": "optional"},
        "POST /_sim/corps/<corp_id>/<verb>": {
            **{verb: signature_of(getattr(Corp, verb)) for verb in VERBS},
            **{verb: signature_of(action) for verb, action in OTHER_VERBS.items()},
        },
    }  # fmt: skip


def signature_of(action: Callable[..., Any]) -> dict[str, Any]:
    parameters = list(inspect.signature(action).parameters.values())[1:]
    words = (inspect.getdoc(action) or "").split("\n\n")[0]
    return {"about": " ".join(words.split()), "arguments": [str(each) for each in parameters]}


def overview(corp: Corp) -> dict[str, Any]:
    with corp.lock:
        return {
            "corp_id": corp.corp_id,
            "name": corp.name,
            "agent_id": corp.agent_id,
            "secret": corp.secret,
            "now": corp.clock.now().isoformat(),
            "callback_url": corp.receiver.url if corp.receiver else "",
            "departments": [
                {"id": each.id, "name": each.name, "parent_id": each.parent_id}
                for each in corp.departments.values()
            ],
            "staff": [
                {"userid": each.userid, "name": each.name, "status": each.status}
                for each in corp.everybody
            ],
            "people": len(corp.people),
            "groups": len(corp.groups),
            "faults": {k: v for k, v in asdict(corp.faults).items() if k != "chance"},
            "settings": asdict(corp.settings),
        }


def groups(corp: Corp) -> list[dict[str, Any]]:
    with corp.lock:
        return [
            {
                "chat_id": each.chat_id,
                "name": each.name,
                "owner": each.owner,
                "members": len(each.members),
                "status": each.status,
                "dissolved": bool(each.dissolved_at),
            }
            for each in corp.groups.values()
        ]


def mass_messages(corp: Corp) -> list[dict[str, Any]]:
    """What the API made, who was asked, and whom it reached."""
    with corp.lock:
        return [
            {
                "msgid": each.msgid,
                "text": each.text,
                "attachments": each.attachments,
                "cancelled": each.cancelled,
                "reminders": len(each.reminded_at),
                "tasks": [asdict(task) for task in each.tasks.values()],
            }
            for each in corp.mass_messages.values()
        ]


def callbacks(corp: Corp) -> dict[str, Any]:
    return {
        "mode": corp.outbox.mode,
        "held": len(corp.outbox),
        "waiting": len(corp.outbox.queue),
        "deliveries": [asdict(each) for each in list(corp.outbox.log)],
    }


def plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value


__all__ = ["Impossible", "NotFound", "Refused", "Wrong", "call"]
