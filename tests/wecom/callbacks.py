"""The platform's side of a callback: signed, hidden, and sent as it would be, or worse."""

import secrets
import time
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models.functions import Now

from scrm.wecom.models import ChannelKind, InboundEvent, ReadRequest, WecomConnection
from scrm.wecom.rules.callback_crypto import encrypt, signature
from scrm.wecom.rules.status import ConnectionState, Platform
from tests.wecom.factories import ChannelAccountFactory

TOKEN = "QDG6eK"
AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"


def listening(**values):
    """A connection whose address the platform calls."""
    account = ChannelAccountFactory(kind=ChannelKind.WECOM)
    return WecomConnection.objects.create(
        **{
            "enterprise": account.enterprise,
            "account": account,
            "platform": Platform.OFFICIAL,
            "corp_id": f"ww{secrets.token_hex(8)}",
            "agent_id": 1000002,
            "app_secret": "app-secret",
            "callback_key": secrets.token_urlsafe(32),
            "callback_token": TOKEN,
            "callback_aes_key": AES_KEY,
            "state": ConnectionState.CONNECTED,
            **values,
        }
    )


def joined(chat="wrChat1", *members, at=1760001000, version="", **fields):
    """Somebody joined a chat; without members as older payloads tell it."""
    items = "".join(f"<Item>{member}</Item>" for member in members)
    return told(
        "change_external_chat",
        "update",
        f"<MemChangeCnt>{len(members)}</MemChangeCnt><MemChangeList>{items}</MemChangeList>",
        ChatId=chat,
        UpdateDetail="add_member",
        CreateTime=at,
        **({"CurMemVer": version} if version else {}),
        **fields,
    )


def told(event, change_type="", more="", **fields):
    """An inner document."""
    named = {
        "ToUserName": "corp",
        "FromUserName": "sys",
        "CreateTime": 1760001000,
        "MsgType": "event",
        "Event": event,
        "ChangeType": change_type,
        **fields,
    }
    elements = "".join(f"<{name}><![CDATA[{text}]]></{name}>" for name, text in named.items())
    return f"<xml>{elements}{more}</xml>".encode()


@dataclass
class Sent:
    """One call, to be changed before it is made."""

    path: str
    query: dict
    body: bytes

    @property
    def url(self):
        return f"{self.path}?{urlencode(self.query)}"

    def post(self, client, **options):
        options = {"content_type": "text/xml", **options}
        return client.generic("POST", self.url, self.body, **options)

    def get(self, client):
        return client.get(self.url)


def path_of(connection):
    return f"/wecom/callback/{connection.callback_key}"


def signed(connection, encrypted, *, token=None, at=None, nonce="1372623149"):
    timestamp = str(int(time.time() if at is None else at))
    token = connection.callback_token if token is None else token
    return {
        "msg_signature": signature(token, timestamp, nonce, encrypted),
        "timestamp": timestamp,
        "nonce": nonce,
    }


def envelope(encrypted):
    return (
        "<xml><ToUserName><![CDATA[corp]]></ToUserName><AgentID><![CDATA[1000002]]></AgentID>"
        f"<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
    ).encode()


def event_call(connection, message, *, receive_id=None, aes_key=None, body=envelope, **signing):
    """A POST with this inner document."""
    encrypted = encrypt(
        aes_key or connection.callback_aes_key,
        message,
        connection.corp_id if receive_id is None else receive_id,
    )
    query = signed(connection, encrypted, **signing)
    return Sent(path_of(connection), query, body(encrypted))


def address_check(connection, text="1616140317555161061", *, aes_key=None, **signing):
    """The GET of somebody who saves our address on the platform."""
    encrypted = encrypt(aes_key or connection.callback_aes_key, text, connection.corp_id)
    query = {**signed(connection, encrypted, **signing), "echostr": encrypted}
    return Sent(path_of(connection), query, b"")


def due_at_once():
    """Nobody waits for the platform to show what it told, nor for another try."""
    ReadRequest.objects.update(due_at=Now(), ripe_at=Now())
    InboundEvent.objects.filter(state="waiting").update(due_at=Now())
