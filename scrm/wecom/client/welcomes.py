"""What newcomers are told: a message to one new contact, and templates for groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scrm.wecom.client.apis import acting, reading, setting
from scrm.wecom.client.arguments import identity, octets
from scrm.wecom.client.attachments import Attachment, content
from scrm.wecom.client.calls import Calls
from scrm.wecom.client.errors import InvalidArguments
from scrm.wecom.client.parsing import parse
from scrm.wecom.client.results import WelcomeTemplate
from scrm.wecom.rules import limits

SEND = acting("externalcontact/send_welcome_msg")
ADD_TEMPLATE = acting("externalcontact/group_welcome_template/add")
EDIT_TEMPLATE = setting("externalcontact/group_welcome_template/edit")
GET_TEMPLATE = reading("externalcontact/group_welcome_template/get")
DELETE_TEMPLATE = setting("externalcontact/group_welcome_template/del")


class Welcomes(Calls):
    def send_welcome(
        self, code: str, *, text: str = "", attachments: Iterable[Attachment] = ()
    ) -> None:
        """To who just became a contact. The code of the event is good for 20 seconds and once, and
        for the first app that uses it."""
        if not code:
            raise InvalidArguments("code", "is empty: this contact is not to be welcomed")
        self.ask(SEND, {"welcome_code": code, **content(text, attachments)})

    def add_welcome_template(
        self, *, text: str, attachment: Attachment | None = None, notify: bool = False
    ) -> str:
        """The id of the new template; owners bind it to their groups themselves. ``%NICKNAME%``
        becomes the newcomer's name. At most 100 per company."""
        body = {**template_body(text, attachment), "notify": int(notify)}
        return self.new_id(ADD_TEMPLATE, self.ask(ADD_TEMPLATE, body), "template_id")

    def edit_welcome_template(
        self, template_id: str, *, text: str, attachment: Attachment | None = None
    ) -> None:
        wanted = {"template_id": identity("template_id", template_id)}
        self.ask(EDIT_TEMPLATE, wanted | template_body(text, attachment))

    def welcome_template(self, template_id: str) -> WelcomeTemplate:
        answer = self.ask(GET_TEMPLATE, {"template_id": identity("template_id", template_id)})
        return parse(WelcomeTemplate, answer)

    def delete_welcome_template(self, template_id: str) -> None:
        self.ask(DELETE_TEMPLATE, {"template_id": identity("template_id", template_id)})


def template_body(text: str, attachment: Attachment | None) -> dict[str, Any]:
    """Templates take one attachment, under its own name instead of in a list."""
    if not text and attachment is None:
        raise InvalidArguments("text", "is empty, and there is no attachment")
    body: dict[str, Any] = {}
    if text:
        most = limits.MAX_WELCOME_TEMPLATE_BYTES
        body["text"] = {"content": octets("text", text, most=most)}
    if attachment is not None:
        document = attachment.document()
        body[document["msgtype"]] = document[document["msgtype"]]
    return body
