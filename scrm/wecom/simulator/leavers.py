"""Somebody with very many groups and customers, and what becomes of them when they leave."""

from __future__ import annotations

from collections import Counter
from itertools import cycle, islice
from typing import Any

from scrm.wecom.simulator import loading
from scrm.wecom.simulator.clock import DAY
from scrm.wecom.simulator.hand_over import WAITING, HandOver
from scrm.wecom.simulator.names import nickname
from scrm.wecom.simulator.refusals import Impossible

MOST = 20_000
STATUSES = {1: "done", 2: "waiting", 3: "refused", 4: "taker_is_full"}


def add_busy_staff(
    corp: HandOver,
    userid: str,
    name: str,
    *,
    department: int = 1,
    chats: int = 650,
    customers: int = 5000,
    members: int = 3,
    days: int = 200,
) -> dict[str, list[str]]:
    """Somebody who has been here for ``days``, silently: a sync finds what they have. ``members``
    of their customers are in each group. Returns the ids of groups and customers."""
    if not (0 <= chats <= MOST and 0 <= customers <= MOST and 0 <= members <= customers):
        raise Impossible(f"群和客户各不超过 {MOST}，群里的人不多于客户")
    begun = corp.clock.second() - days * DAY
    content: dict[str, Any] = {
        "staff": [[userid, name, department]],
        "customers": [
            [corp.new_id("wm"), nickname(number), userid, begun + number]
            for number in range(customers)
        ],
    }
    people = cycle(row[0] for row in content["customers"])
    content["groups"] = [
        [
            "",
            f"{name}的群 {number:03}",
            userid,
            begun + number,
            [[each, begun + number + 60] for each in islice(people, members)],
        ]
        for number in range(1, chats + 1)
    ]
    return loading.load(corp, content)


def refuse_transfers(corp: HandOver, userid: str, count: int) -> list[str]:
    """So many customers say no to being handed over by somebody. Returns who they are."""
    waiting = [
        each.external_userid
        for each in corp.transfers
        if each.status == WAITING and each.handover_userid == userid
    ]
    for external_userid in waiting[:count]:
        corp.refuse_transfer(external_userid)
    return waiting[:count]


def left_behind(corp: HandOver, userid: str) -> dict[str, Any]:
    """What is still somebody's, what they gave away, and how often the busiest thing was given."""
    given = Counter(
        each.external_userid for each in corp.transfers if each.handover_userid == userid
    )
    by_day = {key: n for key, n in corp.handed_over.items() if key.endswith(f" {userid}")}
    owned = [each for each in corp.groups.values() if each.owner == userid]
    return {
        "groups_owned": sum(not each.dissolved_at for each in owned),
        "groups_dissolved": sum(bool(each.dissolved_at) for each in owned),
        "groups_given_by_day": list(by_day.values()),
        "customers": len(corp.customers_of(userid)),
        "customers_given": dict(
            Counter(
                STATUSES[each.status] for each in corp.transfers if each.handover_userid == userid
            )
        ),
        "customer_given_most_often": max(given.values(), default=0),
    }
