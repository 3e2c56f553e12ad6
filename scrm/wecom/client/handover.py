"""Groups and customers that go from one staff member to another.

Every call here begins something; that it ended well is told by reading, minutes or a day later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scrm.wecom.client.apis import Api, acting, reading
from scrm.wecom.client.arguments import characters, identity, some
from scrm.wecom.client.calls import Calls
from scrm.wecom.client.errors import InvalidArguments
from scrm.wecom.client.parsing import integer, many, mappings, text
from scrm.wecom.client.results import Page, TransferItem, TransferResult, UnassignedCustomer
from scrm.wecom.rules import limits

TRANSFER_GROUPS_ON_JOB = acting("externalcontact/groupchat/onjob_transfer")
TRANSFER_GROUPS_RESIGNED = acting("externalcontact/groupchat/transfer")
TRANSFER_CUSTOMERS = acting("externalcontact/transfer_customer")
TRANSFER_RESULT = reading("externalcontact/transfer_result")
TRANSFER_CUSTOMERS_RESIGNED = acting("externalcontact/resigned/transfer_customer")
TRANSFER_RESULT_RESIGNED = reading("externalcontact/resigned/transfer_result")
UNASSIGNED = reading("externalcontact/get_unassigned_list")


class HandOver(Calls):
    def transfer_groups_on_job(
        self, chat_ids: Sequence[str], new_owner: str
    ) -> tuple[TransferItem, ...]:
        """While the owner is still employed. At most 300 groups a day from one person, each at
        most twice in 90 days. One item per group asked for."""
        return self._transfer_groups(TRANSFER_GROUPS_ON_JOB, chat_ids, new_owner)

    def transfer_groups_resigned(
        self, chat_ids: Sequence[str], new_owner: str
    ) -> tuple[TransferItem, ...]:
        """After the owner has resigned. Runs for a while: the group's status goes 1, 2, 3."""
        return self._transfer_groups(TRANSFER_GROUPS_RESIGNED, chat_ids, new_owner)

    def transfer_customers(
        self,
        external_userids: Sequence[str],
        *,
        giver: str,
        taker: str,
        message: str = "",
    ) -> tuple[TransferItem, ...]:
        """While the giver is employed. The customer may refuse within 24 hours; ``message`` is
        what he is told."""
        body = transfer_body(external_userids, giver=giver, taker=taker)
        if message:
            body["transfer_success_msg"] = characters(
                "message", message, most=limits.MAX_TRANSFER_MESSAGE
            )
        return items_of(external_userids, self.ask(TRANSFER_CUSTOMERS, body))

    def transfer_customers_result(
        self, *, giver: str, taker: str, cursor: str = ""
    ) -> Page[TransferResult]:
        return self._transfer_results(TRANSFER_RESULT, giver, taker, cursor)

    def transfer_customers_resigned(
        self, external_userids: Sequence[str], *, giver: str, taker: str
    ) -> tuple[TransferItem, ...]:
        """After the giver has resigned, within a year. A customer who refuses is lost."""
        body = transfer_body(external_userids, giver=giver, taker=taker)
        return items_of(external_userids, self.ask(TRANSFER_CUSTOMERS_RESIGNED, body))

    def transfer_customers_resigned_result(
        self, *, giver: str, taker: str, cursor: str = ""
    ) -> Page[TransferResult]:
        return self._transfer_results(TRANSFER_RESULT_RESIGNED, giver, taker, cursor)

    def unassigned_customers(
        self, cursor: str = "", *, limit: int = limits.MAX_PAGE
    ) -> Page[UnassignedCustomer]:
        """Customers of staff who have resigned, newest first."""
        size = max(1, min(limit, limits.MAX_PAGE))
        answer = self.ask(UNASSIGNED, {"page_id": 0, "cursor": cursor, "page_size": size})
        is_last = answer.get("is_last") is True
        return Page(
            many(UnassignedCustomer)(answer.get("info")),
            "" if is_last else text(answer.get("next_cursor")),
        )

    def _transfer_groups(
        self, api: Api, chat_ids: Sequence[str], new_owner: str
    ) -> tuple[TransferItem, ...]:
        asked = some("chat_ids", chat_ids, most=limits.MAX_TRANSFER)
        owner = identity("new_owner", new_owner)
        answer = self.ask(api, {"chat_id_list": asked, "new_owner": owner})
        failed = {
            text(row.get("chat_id")): (integer(row.get("errcode")), text(row.get("errmsg")))
            for row in mappings(answer.get("failed_chat_list"))
        }
        return tuple(
            TransferItem(chat_id, False, *failed[chat_id])
            if chat_id in failed
            else TransferItem(chat_id, True)
            for chat_id in asked
        )

    def _transfer_results(
        self, api: Api, giver: str, taker: str, cursor: str
    ) -> Page[TransferResult]:
        answer = self.ask(
            api,
            {
                "handover_userid": identity("giver", giver),
                "takeover_userid": identity("taker", taker),
                "cursor": cursor,
            },
        )
        return Page(many(TransferResult)(answer.get("customer")), text(answer.get("next_cursor")))


def transfer_body(external_userids: Sequence[str], *, giver: str, taker: str) -> dict[str, Any]:
    if giver.lower() == taker.lower():
        raise InvalidArguments("taker", "is the giver")
    return {
        "handover_userid": identity("giver", giver),
        "takeover_userid": identity("taker", taker),
        "external_userid": some("external_userids", external_userids, most=limits.MAX_TRANSFER),
    }


def items_of(asked: Sequence[str], answer: dict[str, Any]) -> tuple[TransferItem, ...]:
    """One item per customer asked for. One of whom nothing is said was not accepted."""
    told = {
        text(row.get("external_userid")): (integer(row.get("errcode")), text(row.get("errmsg")))
        for row in mappings(answer.get("customer"))
    }
    return tuple(
        TransferItem(each, told[each][0] == 0, *told[each])
        if each in told
        else TransferItem(each, False)
        for each in asked
    )
