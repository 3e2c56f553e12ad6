"""Media (WeCom, pages 90253, 90254, 90256, 95098)."""

from __future__ import annotations

from typing import Any

from scrm.wecom.simulator.api.call import Answer, Call, endpoint
from scrm.wecom.simulator.media import MEGABYTE, media_fault
from scrm.wecom.simulator.refusals import Refused
from scrm.wecom.simulator.response import Response

UPLOADED_IMAGE = 2 * MEGABYTE


def uploaded(call: Call, type: str) -> tuple[str, bytes]:
    upload = call.files.get("media")
    if upload is None or not upload.name:
        raise Refused(44001)
    if code := media_fault(type, upload.content):
        raise Refused(code)
    return upload.name, upload.content


@endpoint("POST", "media/upload")
def media_upload(call: Call) -> Answer:
    """created_at is a text here."""
    type = call.query.get("type", "")
    kept = call.corp.keep_media(type, *uploaded(call, type))
    return {"type": type, "media_id": kept.media_id, "created_at": str(kept.created_at)}


@endpoint("POST", "media/upload_attachment")
def upload_attachment(call: Call) -> Answer:
    """And a number here."""
    type = call.query.get("media_type", "")
    if type not in {"image", "video", "file"}:
        raise Refused(40004)
    if call.query.get("attachment_type") not in {"1", "2"}:
        raise Refused(40058, "attachment_type invalid")
    kept = call.corp.keep_media(type, *uploaded(call, type))
    return {"type": type, "media_id": kept.media_id, "created_at": kept.created_at}


@endpoint("POST", "media/uploadimg")
def uploadimg(call: Call) -> Answer:
    name, content = uploaded(call, "image")
    if len(content) > UPLOADED_IMAGE:
        raise Refused(45001)
    kept = call.corp.keep_media("image", name, content)
    return {"url": f"{call.origin}/_sim/images/{kept.media_id}"}


@endpoint("GET", "media/get")
def media_get(call: Call) -> Any:
    media_id = call.query.get("media_id", "")
    if not media_id:
        raise Refused(41006)
    found = call.corp.good_media(media_id)
    if found is None or media_id not in call.corp.media_bytes:
        raise Refused(40007)
    name = found.name.encode("ascii", "ignore").decode().replace('"', "")
    return Response(
        200,
        call.corp.media_bytes[media_id],
        "application/octet-stream",
        (("Content-Disposition", f'attachment; filename="{name}"'),),
    )
