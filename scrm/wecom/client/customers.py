"""Customers, and how staff know them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from scrm.wecom.client.apis import reading, setting
from scrm.wecom.client.arguments import at_most, characters, identity, one_of_both, some
from scrm.wecom.client.calls import Calls
from scrm.wecom.client.errors import WecomRefusal
from scrm.wecom.client.parsing import inside, mapping, mappings, parse, text, texts
from scrm.wecom.client.results import CustomerDetail, Page
from scrm.wecom.rules import limits

FOLLOW_USERS = reading("externalcontact/get_follow_user_list", method="GET")
LIST_CUSTOMERS = reading("externalcontact/list", method="GET")
GET_CUSTOMER = reading("externalcontact/get", method="GET")
BATCH_CUSTOMERS = reading("externalcontact/batch/get_by_user")
REMARK = setting("externalcontact/remark")
MARK_TAG = setting("externalcontact/mark_tag")

NO_RELATION = 84061
MAX_FOLLOW_PAGES = 50


class Customers(Calls):
    def follow_users(self) -> tuple[str, ...]:
        """The staff who may have customers."""
        return texts(self.ask(FOLLOW_USERS).get("follow_user"))

    def customers_of(self, userid: str) -> tuple[str, ...]:
        """The external_userids of one staff member's customers."""
        try:
            answer = self.ask(LIST_CUSTOMERS, params={"userid": identity("userid", userid)})
        except WecomRefusal as refusal:
            if refusal.code == NO_RELATION:  # said of a staff member who has none
                return ()
            raise
        return texts(answer.get("external_userid"))

    def customer(self, external_userid: str) -> CustomerDetail:
        """With everybody who follows him, however many pages that takes."""
        asked = {"external_userid": identity("external_userid", external_userid)}
        cursors = [""]
        follows: dict[str, dict[str, Any]] = {}
        contact: dict[str, Any] = {}
        while len(cursors) <= MAX_FOLLOW_PAGES:
            place = {"cursor": cursors[-1]} if cursors[-1] else {}
            answer = self.ask(GET_CUSTOMER, params={**asked, **place})
            contact = contact or self.required(GET_CUSTOMER, answer, "external_contact", dict)
            for row in mappings(answer.get("follow_user")):
                follows.setdefault(text(row.get("userid")), row)
            cursor = text(answer.get("next_cursor"))
            if not cursor or cursor in cursors:
                break
            cursors.append(cursor)
        return parse(CustomerDetail, {**contact, "follow_user": [*follows.values()]})

    def customers_batch(
        self, userids: Sequence[str], cursor: str = "", *, limit: int = limits.MAX_BATCH_PAGE
    ) -> Page[CustomerDetail]:
        """One row per staff member and customer: each has one of its ``follows``. A page may hold
        fewer rows than ``limit``; go on until there is no cursor."""
        asked = some("userids", userids, most=limits.MAX_STAFF_FILTER)
        answer = self.ask(
            BATCH_CUSTOMERS,
            {
                "userid_list": asked,
                "cursor": cursor,
                "limit": max(1, min(limit, limits.MAX_BATCH_PAGE)),
            },
        )
        known = {"userid": asked[0]} if len(asked) == 1 else {}
        rows = (
            parse(
                CustomerDetail,
                {
                    **mapping(row.get("external_contact")),
                    "follow_user": [{**known, **mapping(row.get("follow_info"))}],
                },
            )
            for row in mappings(answer.get("external_contact_list"))
        )
        return Page(
            items=tuple(row for row in rows if row.external_userid),
            next_cursor=text(answer.get("next_cursor")),
            left_out=inside("unlicensed_userid_list", texts)(answer.get("fail_info")),
        )

    def remark_customer(
        self,
        userid: str,
        external_userid: str,
        *,
        remark: str | None = None,
        description: str | None = None,
        company: str | None = None,
    ) -> None:
        """Change how one staff member notes a customer. ``None`` leaves a field as it is."""
        one_of_both("remark, description, company", *(
            each is not None for each in (remark, description, company)
        ))  # fmt: skip
        body = {
            "userid": identity("userid", userid),
            "external_userid": identity("external_userid", external_userid),
        }
        if remark is not None:
            body["remark"] = characters("remark", remark, most=limits.MAX_REMARK)
        if description is not None:
            body["description"] = characters(
                "description", description, most=limits.MAX_REMARK_DESCRIPTION
            )
        if company is not None:
            body["remark_company"] = characters("company", company, most=limits.MAX_REMARK)
        self.ask(REMARK, body)

    def mark_tags(
        self,
        userid: str,
        external_userid: str,
        *,
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
    ) -> None:
        """Tags of the company, put on one staff member's view of a customer. No event follows."""
        added = at_most("add", add, most=limits.MAX_TAGS_MARKED)
        removed = at_most("remove", remove, most=limits.MAX_TAGS_MARKED)
        one_of_both("add, remove", added, removed)
        self.ask(
            MARK_TAG,
            {
                "userid": identity("userid", userid),
                "external_userid": identity("external_userid", external_userid),
                "add_tag": added,
                "remove_tag": removed,
            },
        )
