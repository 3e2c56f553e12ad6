"""The documents of callbacks: the outer one that hides, the inner one that tells.

Both come from outside, so a document type, entities and whatever else XML can do harm with is
refused before it is looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from scrm.wecom.rules.events import Event

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MEMBERS = "MemChangeList"

#: What has a meaning beyond its text, so that the same news in another wording is the same news.
SEMANTIC = {
    "change_external_contact": (
        "add_external_contact",
        "add_half_external_contact",
        "edit_external_contact",
        "del_external_contact",
        "del_follow_user",
        "transfer_fail",
    ),
    "change_external_chat": ("create", "update", "dismiss"),
    "change_external_tag": ("create", "update", "delete", "shuffle"),
}
KEY_FIELDS = (
    "Event", "ChangeType", "UserID", "ExternalUserID", "ChatId", "UpdateDetail", "Id", "TagType",
    "CreateTime", "CurMemVer",
)  # fmt: skip
SUBJECT_FIELDS = ("ChatId", "ExternalUserID", "UserID", "Id", "TagId")
_INSTANT = re.compile(r"[0-9]{1,11}", re.ASCII)


class Unreadable(ValueError):
    """``reason`` is for our own log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Told:
    """What a decrypted callback says. ``event`` is the kind of message where it is no event."""

    event: str
    change_type: str = ""
    occurred_at: datetime | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    members: tuple[str, ...] = ()

    @property
    def detail(self) -> str:
        return self.fields.get("UpdateDetail", "")

    @property
    def subject(self) -> str:
        """The id of what it speaks of; empty where it names nothing."""
        return next((self.fields[name] for name in SUBJECT_FIELDS if self.fields.get(name)), "")

    def as_event(self, *, row_id: int, received_at: datetime) -> Event:
        return Event(
            row_id=row_id,
            event=self.event,
            change_type=self.change_type,
            occurred_at=self.occurred_at,
            received_at=received_at,
            fields=self.fields,
            members=self.members,
        )


def encrypted_of(body: bytes) -> str:
    """The hidden part of a callback's body, XML or JSON. Raises ``Unreadable``."""
    text = _text_of(body)
    if text.lstrip().startswith("{"):
        return _encrypted_of_json(text)
    return (_root_of(text).findtext("Encrypt") or "").strip()


def event_of(xml: bytes | str) -> Told:
    """What a decrypted callback says. Raises ``Unreadable``."""
    root = _root_of(_text_of(xml) if isinstance(xml, bytes) else xml)
    fields: dict[str, str] = {}
    for element in root:
        if len(element) == 0:
            fields.setdefault(element.tag, (element.text or "").strip())
    members = _members_of(root)
    fields.pop(MEMBERS, None)
    return Told(
        event=fields.get("Event") or fields.get("InfoType") or fields.get("MsgType") or "unknown",
        change_type=fields.get("ChangeType", ""),
        occurred_at=_instant_of(fields.get("CreateTime") or fields.get("TimeStamp") or ""),
        fields=fields,
        members=members,
    )


def dedupe_key(told: Told, xml: bytes) -> str:
    """The same for the same news, 64 hex digits.

    Retries carry the same document. Where we know what an event means, its meaning decides instead;
    two that mean the same make us read the same object, so one of them is enough.
    """
    if told.change_type not in SEMANTIC.get(told.event, ()):
        return sha256(xml).hexdigest()
    parts = [told.fields.get(name, "") for name in KEY_FIELDS] + sorted(told.members)
    return sha256(json.dumps(parts).encode()).hexdigest()


def _text_of(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("not UTF-8") from None


def _root_of(text: str) -> Element:
    try:
        root: Element = fromstring(text, forbid_dtd=True)
    except (DefusedXmlException, ParseError, ValueError, LookupError) as error:
        raise Unreadable(f"XML: {type(error).__name__}") from None
    return root


def _encrypted_of_json(text: str) -> str:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"JSON: {type(error).__name__}") from None
    encrypted = document.get("encrypt", document.get("Encrypt"))
    return encrypted if isinstance(encrypted, str) else ""


def _members_of(root: Element) -> tuple[str, ...]:
    """Elements as a rule; none at all in older payloads; a list with commas was seen, too."""
    change_list = root.find(MEMBERS)
    if change_list is None:
        return ()
    if len(change_list):
        ids = [(item.text or "").strip() for item in change_list]
    else:
        ids = [each.strip() for each in (change_list.text or "").split(",")]
    return tuple(dict.fromkeys(each for each in ids if each))


def _instant_of(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), UTC) if _INSTANT.fullmatch(text) else None
