"""What may be in a message: texts and attachments (WeCom, pages 92135, 92137)."""

from __future__ import annotations

from typing import Any

from scrm.wecom.simulator.api.call import Call
from scrm.wecom.simulator.refusals import Refused

ATTACHMENTS = 9
LONGEST_TEXT = 4000
KINDS = ("image", "link", "miniprogram", "video", "file")


def checked_text(call: Call, longest: int = LONGEST_TEXT) -> str:
    """Bytes are counted. Some words are stopped by anti-spam."""
    holder = call.object("text") or {}
    content = holder.get("content", "")
    if not isinstance(content, str):
        raise Refused(40058, "text.content invalid")
    if len(content.encode()) > longest:
        raise Refused(45002)
    if any(word in content for word in call.corp.settings.spam_words):
        raise Refused(40201, "content is stopped by anti-spam")
    return content


def checked_attachments(call: Call) -> list[dict[str, Any]]:
    value = call.body.get("attachments") or []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Refused(40058, "attachments invalid")
    if len(value) > ATTACHMENTS:
        raise Refused(41064)
    for each in value:
        kind = each.get("msgtype")
        if kind not in KINDS:
            raise Refused(41065)
        content = each.get(kind)
        if not isinstance(content, dict):
            raise Refused(40063)
        check_attachment(call, kind, content)
    return value


def check_attachment(call: Call, kind: str, content: dict[str, Any]) -> None:
    if kind == "link":
        check_lengths(content, {"title": 128, "url": 2048}, {"picurl": 2048, "desc": 512})
    elif kind == "miniprogram":
        check_lengths(content, {"title": 64, "pic_media_id": 128, "appid": 128, "page": 1024}, {})
        check_media(call, content["pic_media_id"], "image")
    elif media_id := content.get("media_id"):
        check_media(call, media_id, kind)
    elif kind == "image" and content.get("pic_url"):
        if "/_sim/images/" not in str(content["pic_url"]):
            raise Refused(40058, "pic_url invalid")
    else:
        raise Refused(41006)


def check_lengths(
    content: dict[str, Any], required: dict[str, int], optional: dict[str, int]
) -> None:
    for name, longest in {**required, **optional}.items():
        value = content.get(name) or ""
        if name in required and not value:
            raise Refused(40063, f"{name} missing")
        if not isinstance(value, str) or len(value.encode()) > longest:
            raise Refused(45002, f"{name} too long")


def check_media(call: Call, media_id: Any, kind: str) -> None:
    if not isinstance(media_id, str) or call.corp.good_media(media_id, kind) is None:
        raise Refused(40007)
