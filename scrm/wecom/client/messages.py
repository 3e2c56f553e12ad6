"""Mass messages, which staff have to confirm, and messages of the app to staff."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from scrm.wecom.client.apis import acting, reading, setting
from scrm.wecom.client.arguments import among, at_most, identity, octets, one_of_both, some
from scrm.wecom.client.attachments import Attachment, content
from scrm.wecom.client.calls import Calls
from scrm.wecom.client.errors import InvalidArguments, WecomRefusal
from scrm.wecom.client.parsing import many, parse, text
from scrm.wecom.client.results import (
    AppMessage,
    CreatedMassMessage,
    MassMessage,
    MassMessageResult,
    MassMessageTask,
    Page,
)
from scrm.wecom.rules import limits

CREATE = acting("externalcontact/add_msg_template")
REMIND = acting("externalcontact/remind_groupmsg_send")
CANCEL = setting("externalcontact/cancel_groupmsg_send")
LIST = reading("externalcontact/get_groupmsg_list_v2")
TASKS = reading("externalcontact/get_groupmsg_task")
RESULTS = reading("externalcontact/get_groupmsg_send_result")
SEND_APP_MESSAGE = acting("message/send")

ALREADY_CANCELLED = 41093

type ChatType = Literal["single", "group"]


class Messages(Calls):
    def create_mass_message(
        self,
        *,
        chat_type: ChatType,
        sender: str = "",
        chat_ids: Iterable[str] = (),
        external_userids: Iterable[str] = (),
        tag_filter: Sequence[Sequence[str]] = (),
        allow_select: bool = False,
        text: str = "",
        attachments: Iterable[Attachment] = (),
    ) -> CreatedMassMessage:
        """Nothing is sent by this: the sender is asked to. Groups need the ``sender`` who owns
        them; customers need a sender, their ids or tags (any of a list, all of the lists).

        Never repeated after a lost answer: look with ``mass_messages`` whether it is there.
        """
        among("chat_type", chat_type, ("single", "group"))
        body = {"chat_type": chat_type, **content(text, attachments)}
        if sender:
            body["sender"] = identity("sender", sender)
        if chat_type == "group":
            if not sender:
                raise InvalidArguments("sender", "is needed for groups: their owner")
            body["chat_id_list"] = some("chat_ids", chat_ids, most=limits.MAX_MASS_CHATS)
        else:
            body |= receivers(external_userids, tag_filter, sender=sender)
            body["allow_select"] = allow_select
        answer = self.ask(CREATE, body)
        self.new_id(CREATE, answer, "msgid")
        return parse(CreatedMassMessage, answer)

    def remind_mass_message(self, msgid: str) -> None:
        """At most three times in 24 hours."""
        self.ask(REMIND, {"msgid": identity("msgid", msgid)})

    def cancel_mass_message(self, msgid: str) -> None:
        """What is sent stays sent; the rest will not be. Cancelling twice is as good as once."""
        try:
            self.ask(CANCEL, {"msgid": identity("msgid", msgid)})
        except WecomRefusal as refusal:
            if refusal.code != ALREADY_CANCELLED:
                raise

    def mass_messages(
        self,
        *,
        chat_type: ChatType,
        start: datetime,
        end: datetime,
        creator: str = "",
        filter_type: int = 2,
        cursor: str = "",
        limit: int = limits.MAX_MASS_LIST_PAGE,
    ) -> Page[MassMessage]:
        """Of at most one month. ``filter_type``: 0 by the company, 1 by persons, 2 both."""
        body: dict[str, Any] = {
            "chat_type": chat_type,
            "start_time": int(start.timestamp()),
            "end_time": int(end.timestamp()),
            "filter_type": filter_type,
            "limit": max(1, min(limit, limits.MAX_MASS_LIST_PAGE)),
            "cursor": cursor,
        }
        if creator:
            body["creator"] = identity("creator", creator)
        answer = self.ask(LIST, body)
        return Page(many(MassMessage)(answer.get("group_msg_list")), _cursor(answer))

    def mass_message_tasks(
        self, msgid: str, cursor: str = "", *, limit: int = limits.MAX_PAGE
    ) -> Page[MassMessageTask]:
        """One row per staff member who was asked to send."""
        answer = self.ask(
            TASKS,
            {
                "msgid": identity("msgid", msgid),
                "limit": max(1, min(limit, limits.MAX_PAGE)),
                "cursor": cursor,
            },
        )
        return Page(many(MassMessageTask)(answer.get("task_list")), _cursor(answer))

    def mass_message_results(
        self, msgid: str, userid: str, cursor: str = "", *, limit: int = limits.MAX_PAGE
    ) -> Page[MassMessageResult]:
        """One row per receiver of one staff member. For groups, unsent rows are not told."""
        answer = self.ask(
            RESULTS,
            {
                "msgid": identity("msgid", msgid),
                "userid": identity("userid", userid),
                "limit": max(1, min(limit, limits.MAX_PAGE)),
                "cursor": cursor,
            },
        )
        sent = ({"userid": userid, **row} for row in _rows(answer.get("send_list")))
        return Page(many(MassMessageResult)(list(sent)), _cursor(answer))

    def send_app_message(
        self,
        *,
        userids: Iterable[str] = (),
        department_ids: Iterable[int] = (),
        text: str,
        markdown: bool = False,
        duplicate_check_seconds: int = 1800,
    ) -> AppMessage:
        """To staff, from the app itself. The same text to the same people within
        ``duplicate_check_seconds`` (at most four hours; 0: no check) is sent once."""
        users = at_most("userids", userids, most=limits.MAX_APP_RECEIVERS)
        parties = at_most("department_ids", map(str, department_ids), most=limits.MAX_APP_PARTIES)
        one_of_both("userids, department_ids", users, parties)
        kind = "markdown" if markdown else "text"
        wording = octets("text", text, least=1, most=limits.MAX_APP_TEXT_BYTES)
        answer = self.ask(
            SEND_APP_MESSAGE,
            {
                "touser": "|".join(users),
                "toparty": "|".join(parties),
                "msgtype": kind,
                "agentid": self.agent_id,
                kind: {"content": wording},
                "enable_duplicate_check": int(duplicate_check_seconds > 0),
                "duplicate_check_interval": min(max(duplicate_check_seconds, 1), 4 * 3600),
            },
        )
        return parse(AppMessage, answer)


def receivers(
    external_userids: Iterable[str], tag_filter: Sequence[Sequence[str]], *, sender: str
) -> dict[str, Any]:
    customers = at_most("external_userids", external_userids, most=limits.MAX_MASS_CUSTOMERS)
    tags = [some("tag_filter", each, most=limits.MAX_TAG_FILTER) for each in tag_filter]
    one_of_both("sender, external_userids, tag_filter", sender, customers, tags)
    body: dict[str, Any] = {}
    if customers:
        body["external_userid"] = customers
    elif tags:
        body["tag_filter"] = {"group_list": [{"tag_list": each} for each in tags]}
    return body


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _cursor(answer: dict[str, Any]) -> str:
    return text(answer.get("next_cursor"))
