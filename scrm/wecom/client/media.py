"""Files handed to the platform."""

from __future__ import annotations

from typing import Literal

from scrm.wecom.client.apis import setting
from scrm.wecom.client.arguments import among
from scrm.wecom.client.calls import Calls
from scrm.wecom.client.errors import InvalidArguments
from scrm.wecom.client.parsing import parse
from scrm.wecom.client.results import Media
from scrm.wecom.rules import limits

UPLOAD = setting("media/upload")
UPLOAD_PICTURE = setting("media/uploadimg")

type MediaKind = Literal["image", "voice", "video", "file"]


class MediaFiles(Calls):
    def upload_media(self, kind: MediaKind, filename: str, content: bytes) -> Media:
        """Good for three days and for all apps of the company. Images are JPG or PNG, videos MP4,
        voice AMR of at most 60 seconds."""
        among("kind", kind, tuple(limits.MAX_MEDIA_BYTES))
        file = (filename, of_size(content, most=limits.MAX_MEDIA_BYTES[kind]))
        answer = self.ask(UPLOAD, params={"type": kind}, file=file)
        self.new_id(UPLOAD, answer, "media_id")
        return parse(Media, answer)

    def upload_picture(self, filename: str, content: bytes) -> str:
        """The address of a picture that stays: usable as ``pic_url``. At most 1,000 a day."""
        file = (filename, of_size(content, most=limits.MAX_PICTURE_BYTES))
        return self.new_id(UPLOAD_PICTURE, self.ask(UPLOAD_PICTURE, file=file), "url")


def of_size(content: bytes, *, most: int) -> bytes:
    if not limits.MIN_MEDIA_BYTES <= len(content) <= most:
        raise InvalidArguments(
            "content",
            f"{len(content)} bytes, between {limits.MIN_MEDIA_BYTES} and {most} allowed",
            limit=most,
        )
    return content
