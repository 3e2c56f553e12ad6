"""The step of a sync that reads every colleague's customers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from members.services.platform_customers.recording import (
    end_follows,
    follows_of,
    record_customers,
    unseen,
)
from scrm.accounts.rules.disappearance import is_mass_disappearance
from scrm.wecom.client import WecomClient
from scrm.wecom.client.errors import WecomRefusal
from scrm.wecom.client.results import CustomerDetail
from scrm.wecom.handlers import Page
from scrm.wecom.models import SyncRun
from scrm.wecom.rules.status import SyncScope
from scrm.wecom.services.platform_clock import platform_now

STAFF_AT_ONCE = 100
UNLICENSED = 701008
BAD_CURSOR = 50100
MOST_RESTARTS = 3  # of one batch; what was read before is read again, and the same
#: One of the colleagues asked about is not there, or may not use customer contact any more.
NOT_OF_ALL = frozenset({40003, 60111, 84061, 84074, UNLICENSED})


class CustomersStep:
    """Colleagues in batches, the customers of each batch page by page. What a complete list of a
    colleague's customers does not show has ended; a list that is not complete ends nothing.

    The cursor: ``after`` whom to go on; for a batch under way its ``userids``, the platform's own
    ``place`` and ``since`` when it is read. Up to ``one_by_one`` each colleague is asked about
    alone, because the platform refused them together.
    """

    name = "customers"
    title: str | Promise = gettext_lazy("客户")
    scopes: frozenset[str] = frozenset({SyncScope.FULL, SyncScope.CUSTOMERS})
    drift = frozenset({"added", "changed", "closed"})

    def pages(self, run: SyncRun, client: WecomClient, cursor: dict[str, Any]) -> Iterator[Page]:
        everybody = sorted(set(client.follow_users()))
        while batch := cursor.get("userids") or _next_batch(everybody, cursor):
            since = cursor.get("since") or platform_now(run.connection).isoformat()
            cursor = {**cursor, "userids": batch, "since": since}
            if cursor.get("is_listed"):
                page = _closing_page(run, cursor)
            else:
                page = _next_page(run, client, cursor)
            cursor = page.cursor
            yield page


def _next_page(run: SyncRun, client: WecomClient, cursor: dict[str, Any]) -> Page:
    try:
        answer = client.customers_batch(cursor["userids"], cursor.get("place", ""))
    except WecomRefusal as refusal:
        return _after_refusal(refusal, cursor)
    left_out = sorted({*cursor.get("left_out", ()), *answer.left_out})
    following = {**cursor, "place": answer.next_cursor, "left_out": left_out}
    if not answer.next_cursor:
        following["is_listed"] = True
    return Page(partial(_write, run, answer.items, platform_now(run.connection)), following)


def _next_batch(everybody: Sequence[str], cursor: Mapping[str, Any]) -> list[str]:
    left = [userid for userid in everybody if userid > cursor.get("after", "")]
    alone = bool(left) and left[0] <= cursor.get("one_by_one", "")
    return left[: 1 if alone else STAFF_AT_ONCE]


def _done(cursor: Mapping[str, Any]) -> dict[str, Any]:
    """Go on after the batch."""
    kept = {"one_by_one": cursor["one_by_one"]} if "one_by_one" in cursor else {}
    return {"after": cursor["userids"][-1], **kept}


def _after_refusal(refusal: WecomRefusal, cursor: dict[str, Any]) -> Page:
    restarts = cursor.get("restarts", 0)
    if refusal.code == BAD_CURSOR and restarts < MOST_RESTARTS:
        return Page(dict, {**cursor, "place": "", "restarts": restarts + 1})
    if refusal.code not in NOT_OF_ALL:
        raise refusal
    userids = cursor["userids"]
    if len(userids) > 1:
        return Page(dict, {"after": cursor.get("after", ""), "one_by_one": userids[-1]})
    return Page(partial(dict, left_out=1), _done(cursor), partial=_incomplete())


def _incomplete() -> str:
    return _("有员工没有接口许可或不可见，他们的客户没有读到。")


def _write(run: SyncRun, items: Sequence[CustomerDetail], read_at: datetime) -> Mapping[str, int]:
    expected = sum(len(each.follows) for each in items)
    return {"expected": expected, **record_customers(run.connection, items, read_at=read_at)}


def _closing_page(run: SyncRun, cursor: dict[str, Any]) -> Page:
    """The list of these colleagues is complete: what it did not show has ended."""
    skipped = {userid.lower() for userid in cursor["left_out"]}
    listed = [userid for userid in cursor["userids"] if userid.lower() not in skipped]
    words = _incomplete() if skipped else ""
    known = follows_of(run.connection, listed)
    gone = unseen(known, since=datetime.fromisoformat(cursor["since"]))
    count = gone.count()
    if is_mass_disappearance(count, known=known.count()):
        words = _("%(count)d 位客户从列表里消失，太多了，没有当真：请检查应用的权限。")
        return Page(partial(dict, unseen=count), _done(cursor), partial=words % {"count": count})
    read_at = platform_now(run.connection)

    def write() -> Mapping[str, int]:
        ended = end_follows(run.connection, gone, read_at=read_at)
        return {"closed": ended["closed"], "left_out": len(skipped)}

    return Page(write, _done(cursor), partial=words)
