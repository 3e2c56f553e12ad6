"""Welcomes for new contacts and for groups (WeCom, pages 92137, 92366)."""

from __future__ import annotations

from typing import Any

from scrm.wecom.simulator.api.call import Answer, Call, endpoint
from scrm.wecom.simulator.api.content import (
    KINDS,
    check_attachment,
    checked_attachments,
    checked_text,
)
from scrm.wecom.simulator.refusals import Refused
from scrm.wecom.simulator.welcome import TEMPLATES, SentWelcome, WelcomeTemplate

LONGEST_NEW, LONGEST_EDITED = 3000, 4000


@endpoint("POST", "externalcontact/send_welcome_msg")
def send_welcome_msg(call: Call) -> Answer:
    """Once, within twenty seconds; the first app wins."""
    corp = call.corp
    code = corp.welcome_codes.get(call.text("welcome_code", missing=41049))
    if code is None:
        raise Refused(41050)
    content = {"text": checked_text(call), "attachments": checked_attachments(call)}
    if not any(content.values()):
        raise Refused(40063)
    former = next((each for each in corp.welcomes_sent if each.code == code.text), None)
    if former is not None and former.agent_id != call.app.agent_id:
        raise Refused(41051)
    if former or corp.clock.time() > code.made_at + corp.settings.welcome_seconds:
        raise Refused(41050)
    code.used = True
    corp.welcomes_sent.append(
        SentWelcome(
            code.text,
            call.app.agent_id,
            code.userid,
            code.external_userid,
            content,
            corp.clock.second(),
        )
    )
    return {}


def template_content(call: Call, longest: int) -> dict[str, Any]:
    """A text and one attachment: of several, the first kind in the platform's order."""
    agent_id = call.body.get("agentid")
    if agent_id is not None and agent_id != call.app.agent_id:
        raise Refused(301002)
    content: dict[str, Any] = {}
    if text := checked_text(call, longest):
        content["text"] = {"content": text}
    for kind in ("image", "link", "miniprogram", "file", "video"):
        if attachment := call.object(kind):
            check_attachment(call, kind, attachment)
            content[kind] = attachment
            break
    if not content:
        raise Refused(40063)
    return content


def template_of(call: Call) -> WelcomeTemplate:
    found = call.corp.welcome_templates.get(call.text("template_id", missing=40037))
    if found is None:
        raise Refused(40037)
    if found.agent_id != call.app.agent_id:
        raise Refused(41058)
    return found


@endpoint("POST", "externalcontact/group_welcome_template/add")
def template_add(call: Call) -> Answer:
    if len(call.corp.welcome_templates) >= TEMPLATES:
        raise Refused(41055)
    content = template_content(call, LONGEST_NEW)
    new_id = call.corp.new_id("msg")
    call.corp.welcome_templates[new_id] = WelcomeTemplate(
        new_id, call.app.agent_id, content, call.flag("notify", True)
    )
    return {"template_id": new_id}


@endpoint("POST", "externalcontact/group_welcome_template/edit")
def template_edit(call: Call) -> Answer:
    template = template_of(call)
    template.content = template_content(call, LONGEST_EDITED)
    return {}


@endpoint("POST", "externalcontact/group_welcome_template/get")
def template_get(call: Call) -> Answer:
    """An image comes back as its address."""
    content = {**template_of(call).content}
    if media_id := content.get("image", {}).get("media_id"):
        content["image"] = {"pic_url": f"{call.origin}/_sim/images/{media_id}"}
    return {kind: content[kind] for kind in ("text", *KINDS) if kind in content}


@endpoint("POST", "externalcontact/group_welcome_template/del")
def template_delete(call: Call) -> Answer:
    template = template_of(call)
    del call.corp.welcome_templates[template.template_id]
    for group in call.corp.groups.values():
        if group.welcome_template == template.template_id:
            group.welcome_template = ""
    return {}
