"""Callbacks as the platform words, hides and signs them."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from scrm.wecom.rules import callback_crypto

ENVELOPE = (
    "<xml><ToUserName><![CDATA[{corp_id}]]></ToUserName>"
    "<AgentID><![CDATA[{agent_id}]]></AgentID>"
    "<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
)


class Plain(str):
    """A text that the platform writes without CDATA."""

    __slots__ = ()


@dataclass(slots=True)
class Receiver:
    """Where a company's callbacks go, and the secrets they are signed and hidden with."""

    url: str
    token: str
    aes_key: str
    corp_id: str
    agent_id: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A request as it is sent: its query, in the platform's names, and its body."""

    query: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Callback:
    """One event. Sending it again makes a new envelope around the same document."""

    serial: int
    made_at: int
    event: str
    change_type: str
    subject: str
    xml: bytes
    receiver: Receiver
    _signed: Signed | None = field(default=None, repr=False, metadata={"kept": False})

    @property
    def query(self) -> dict[str, str]:
        return self._once().query

    @property
    def body(self) -> bytes:
        return self._once().body

    def signed(self) -> Signed:
        """A new envelope, as for a new try: other random bytes, nonce and timestamp."""
        return signed(self.xml, self.receiver)

    def _once(self) -> Signed:
        if self._signed is None:
            self._signed = self.signed()
        return self._signed


def signed(message: bytes, receiver: Receiver) -> Signed:
    encrypted = callback_crypto.encrypt(receiver.aes_key, message, receiver.corp_id)
    body = ENVELOPE.format(
        corp_id=receiver.corp_id, agent_id=receiver.agent_id, encrypted=encrypted
    )
    return Signed(signed_query(encrypted, receiver), body.encode())


def signed_query(encrypted: str, receiver: Receiver) -> dict[str, str]:
    """Real time, whatever the company's clock says: a receiver compares it with its own."""
    timestamp, nonce = str(int(time.time())), str(secrets.randbelow(10**10))
    return {
        "msg_signature": callback_crypto.signature(receiver.token, timestamp, nonce, encrypted),
        "timestamp": timestamp,
        "nonce": nonce,
    }


def url_check(receiver: Receiver) -> tuple[dict[str, str], str]:
    """The query of a URL verification, and the text that must come back."""
    echo = str(secrets.randbelow(10**19))
    encrypted = callback_crypto.encrypt(receiver.aes_key, echo, receiver.corp_id)
    return {**signed_query(encrypted, receiver), "echostr": encrypted}, echo


def document(elements: list[tuple[str, Any]]) -> bytes:
    """Texts in CDATA, numbers bare, lists as Items."""
    inner = "".join(f"<{name}>{_value(value)}</{name}>" for name, value in elements)
    return f"<xml>{inner}</xml>".encode()


def _value(value: Any) -> str:
    if isinstance(value, list):
        return "".join(f"<Item>{escape(_legal(item))}</Item>" for item in value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Plain):
        return escape(_legal(value))
    return f"<![CDATA[{_legal(value).replace(']]>', ']]]]><![CDATA[>')}]]>"


def _legal(text: str) -> str:
    """Without what XML 1.0 cannot hold."""
    return "".join(c for c in text if c in "\t\n\r" or 0x20 <= ord(c) < 0xD800 or ord(c) > 0xDFFF)
