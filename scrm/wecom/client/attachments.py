"""What may go with a text, checked before the platform sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from scrm.wecom.client.arguments import octets
from scrm.wecom.client.errors import InvalidArguments
from scrm.wecom.rules import limits


@dataclass(frozen=True, slots=True)
class Image:
    """By ``media_id`` (uploaded, three days) or else by ``pic_url`` (an uploaded picture)."""

    media_id: str = ""
    pic_url: str = ""

    def document(self) -> dict[str, Any]:
        if not self.media_id and not self.pic_url:
            raise InvalidArguments("image", "needs a media_id or a pic_url")
        found = {"media_id": self.media_id} if self.media_id else {"pic_url": self.pic_url}
        return {"msgtype": "image", "image": found}


@dataclass(frozen=True, slots=True)
class Link:
    title: str
    url: str
    description: str = ""
    picture_url: str = ""

    def document(self) -> dict[str, Any]:
        link = {
            "title": octets("link.title", self.title, least=1, most=limits.MAX_TITLE_BYTES),
            "url": octets("link.url", self.url, least=1, most=limits.MAX_LINK_BYTES),
        }
        if self.description:
            link["desc"] = octets(
                "link.description", self.description, most=limits.MAX_DESCRIPTION_BYTES
            )
        if self.picture_url:
            link["picurl"] = octets(
                "link.picture_url", self.picture_url, most=limits.MAX_LINK_BYTES
            )
        return {"msgtype": "link", "link": link}


@dataclass(frozen=True, slots=True)
class MiniProgram:
    """A mini-program linked to the company; the picture is 520 × 416."""

    title: str
    picture_media_id: str
    app_id: str
    page: str

    def document(self) -> dict[str, Any]:
        if not (self.picture_media_id and self.app_id and self.page):
            raise InvalidArguments("miniprogram", "needs a picture, an app id and a page")
        most = limits.MAX_MINIPROGRAM_TITLE_BYTES
        program = {
            "title": octets("miniprogram.title", self.title, least=1, most=most),
            "pic_media_id": self.picture_media_id,
            "appid": self.app_id,
            "page": self.page,
        }
        return {"msgtype": "miniprogram", "miniprogram": program}


@dataclass(frozen=True, slots=True)
class Video:
    media_id: str

    def document(self) -> dict[str, Any]:
        return {"msgtype": "video", "video": {"media_id": self.media_id}}


@dataclass(frozen=True, slots=True)
class File:
    media_id: str

    def document(self) -> dict[str, Any]:
        return {"msgtype": "file", "file": {"media_id": self.media_id}}


type Attachment = Image | Link | MiniProgram | Video | File


def content(
    text: str, attachments: Iterable[Attachment], *, most_bytes: int = limits.MAX_TEXT_BYTES
) -> dict[str, Any]:
    """Text, attachments or both, as messages carry them."""
    found = list(attachments)
    if len(found) > limits.MAX_ATTACHMENTS:
        raise InvalidArguments(
            "attachments",
            f"{len(found)} values, at most {limits.MAX_ATTACHMENTS} allowed",
            limit=limits.MAX_ATTACHMENTS,
        )
    if not text and not found:
        raise InvalidArguments("text", "is empty, and there is no attachment")
    body: dict[str, Any] = {}
    if text:
        body["text"] = {"content": octets("text", text, most=most_bytes)}
    if found:
        body["attachments"] = [each.document() for each in found]
    return body
