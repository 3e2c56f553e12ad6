"""What a message can carry beside its text, and within which limits.

An attachment is one of::

    {"kind": "image" | "video" | "file", "asset": id}
    {"kind": "link", "title": …, "url": …, "desc": …, "picture": asset id or None}
    {"kind": "miniprogram", "title": …, "appid": …, "page": …, "picture": asset id}

Limits in bytes of UTF-8, as the platform counts them (WeCom, page 92135).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.errors import BadAttachment
from campaigns.rules.contents import MEDIA_KINDS, AttachmentKind

type Attachment = dict[str, Any]

MAX_ATTACHMENTS = 9


@dataclass(frozen=True, slots=True)
class Part:
    """One text of an attachment; ``limit`` in bytes."""

    label: Promise
    limit: int
    is_required: bool = True


TEXTS: dict[AttachmentKind, dict[str, Part]] = {
    AttachmentKind.LINK: {
        "title": Part(gettext_lazy("标题"), 128),
        "url": Part(gettext_lazy("网址"), 2048),
        "desc": Part(gettext_lazy("描述"), 512, is_required=False),
    },
    AttachmentKind.MINIPROGRAM: {
        "title": Part(gettext_lazy("标题"), 64),
        "appid": Part(gettext_lazy("小程序 AppID"), 64),
        "page": Part(gettext_lazy("页面路径"), 1024),
    },
}
#: The key under which an attachment names a file of ours, and whether it has to.
ASSET_KEYS = {
    **dict.fromkeys(MEDIA_KINDS, ("asset", True)),
    AttachmentKind.LINK: ("picture", False),
    AttachmentKind.MINIPROGRAM: ("picture", True),
}


def clean_attachments(raw: object) -> list[Attachment]:
    """The attachments as they will be kept, with nothing else in them, or a refusal by name."""
    if not isinstance(raw, list | tuple):
        raise BadAttachment(_("附件应是一个列表。"))
    if len(raw) > MAX_ATTACHMENTS:
        raise BadAttachment(_("附件最多 %(limit)d 个，请减少。") % {"limit": MAX_ATTACHMENTS})
    return [_clean(one, number) for number, one in enumerate(raw, start=1)]


def assets_named(attachments: Iterable[Attachment]) -> list[int]:
    """The files of ours they need, each once, in their order."""
    ids = (one.get("asset") or one.get("picture") for one in attachments)
    return list(dict.fromkeys(pk for pk in ids if pk))


def kinds_of_assets(attachments: Iterable[Attachment]) -> dict[int, set[AttachmentKind]]:
    """What each file they name has to be: a picture of a link is an image."""
    wanted: dict[int, set[AttachmentKind]] = {}
    for one in attachments:
        kind = AttachmentKind(one["kind"])
        asset = one.get(ASSET_KEYS[kind][0])
        if asset:
            wanted.setdefault(asset, set()).add(
                kind if kind in MEDIA_KINDS else AttachmentKind.IMAGE
            )
    return wanted


def texts_of(attachments: Iterable[Attachment]) -> list[str]:
    """What people read on them."""
    return [
        one[key]
        for one in attachments
        for key in ("title", "desc")
        if isinstance(one.get(key), str)
    ]


def _clean(raw: object, number: int) -> Attachment:
    if not isinstance(raw, Mapping) or raw.get("kind") not in AttachmentKind.values:
        raise BadAttachment(
            _("第 %(number)d 个附件的类型不对，可用：图片、视频、文件、链接、小程序。")
            % {"number": number}
        )
    kind = AttachmentKind(raw["kind"])
    clean: Attachment = {"kind": kind.value}
    for key, part in TEXTS.get(kind, {}).items():
        clean[key] = _text(raw.get(key), part, number)
    if kind is AttachmentKind.LINK:
        _refuse_address(clean["url"], number)
    key, is_required = ASSET_KEYS[kind]
    clean[key] = _asset(raw.get(key), number, is_required=is_required)
    unknown = set(raw) - set(clean)
    if unknown:
        raise BadAttachment(
            _("第 %(number)d 个附件有不认识的字段：%(unknown)s。")
            % {"number": number, "unknown": "、".join(sorted(map(str, unknown)))[:100]}
        )
    return clean


def _text(raw: object, part: Part, number: int) -> str:
    text = raw.strip() if isinstance(raw, str) else ""
    words = {"number": number, "part": part.label, "limit": part.limit}
    if raw is not None and not isinstance(raw, str):
        raise BadAttachment(_("第 %(number)d 个附件的%(part)s应是文字。") % words)
    if part.is_required and not text:
        raise BadAttachment(_("第 %(number)d 个附件缺少%(part)s。") % words)
    if any(ord(char) < 32 or ord(char) == 127 or "\ud800" <= char <= "\udfff" for char in text):
        raise BadAttachment(_("第 %(number)d 个附件的%(part)s里有无法发送的字符。") % words)
    if len(text.encode()) > part.limit:
        raise BadAttachment(
            _("第 %(number)d 个附件的%(part)s最多 %(limit)d 字节（一个汉字 3 字节）。") % words
        )
    return text


def _refuse_address(url: str, number: int) -> None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        is_good = False
    if not is_good or any(char.isspace() for char in url):
        raise BadAttachment(
            _("第 %(number)d 个附件的网址不对，应以 https:// 或 http:// 开头。")
            % {"number": number}
        )


def _asset(raw: object, number: int, *, is_required: bool) -> int | None:
    if raw is None and not is_required:
        return None
    if not isinstance(raw, int) or isinstance(raw, bool) or not 0 < raw < 2**63:
        raise BadAttachment(
            _("第 %(number)d 个附件没有指明素材，请先上传再选择。") % {"number": number}
        )
    return raw
