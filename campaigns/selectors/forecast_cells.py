"""The recipients of a broadcast that is only planned, in cells of people who are alike.

Only sums leave the database. Who may not be profiled has neither value nor score, and stands in
the cells without them. The audience is looked at range by range, like its estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db import connection
from django.utils.translation import gettext as _

from campaigns.models import Broadcast, Run
from campaigns.rules.forecasts import (
    DORMANT_DAYS,
    NEW_DAYS,
    USUAL_DAYS,
    USUAL_SILENCE,
    Cell,
)
from campaigns.rules.reach import REHEARSAL, reaches_every_chat
from campaigns.selectors.advert_share import NOTHING, WINDOW_DAYS, advert_shares
from campaigns.selectors.audience import Audience, audience_of
from campaigns.selectors.estimates import (
    TIME_LIMIT_MS,
    WORK_MEMORY,
    everybody,
    outside_of,
    spans_of,
)
from campaigns.selectors.guards import Guards
from campaigns.selectors.recipients import first_community
from campaigns.selectors.refusals import Among, refusal_of_chats, refusal_of_members
from campaigns.selectors.values import CURRENCY
from communities.rules.status import ChatState
from members.errors import CriterionTooCostly
from members.models import ActivityCoverage
from scrm.shared.sql import Sql, named_sql, time_limit

# Days and purchases are looked up by key, and only where there can be any.
CELLS = """
SELECT segment, band, is_dormant, is_new, count(*), count(*) FILTER (WHERE is_chosen),
       avg(ad_share), avg(sends), avg(silence), coalesce(sum(value), 0)::bigint, count(value),
       coalesce(sum(orders), 0)::float8, coalesce(sum(spent), 0)::bigint
FROM (
    SELECT coalesce(worth.segment, '') AS segment, coalesce(score.band, '') AS band,
           worth.member_id IS NOT NULL AND place.is_measured AND NOT EXISTS (
               SELECT FROM members_memberday day
               WHERE day.member_id = here.member_id AND day.community_id = ANY({measured})
                 AND day.day >= {dormant_since} AND day.day < {today}
           ) AS is_dormant,
           here.joined_at > {new_since} AS is_new, here.is_chosen,
           place.ad_share, place.sends, coalesce(score.probability, {usual_silence}) AS silence,
           coalesce(worth.clv_amount, worth.spent_year_amount) AS value,
           bought.orders, bought.spent
    FROM ({here}) here
    JOIN unnest({communities}::bigint[], {ad_shares}::float8[], {sends}::float8[],
                {is_measured}::boolean[]) place (community_id, ad_share, sends, is_measured)
      ON place.community_id = here.community_id
    LEFT JOIN members_membervalue worth ON worth.member_id = here.member_id
    LEFT JOIN members_churnscore score
      ON score.community_id = here.community_id AND score.member_id = here.member_id
    LEFT JOIN LATERAL (
        SELECT sum(spent.order_count) AS orders, sum(spent.net_amount) AS spent
        FROM members_purchaseday spent
        WHERE spent.member_id = here.member_id AND spent.currency = {currency}
          AND spent.day >= {usual_since} AND spent.day < {today}
          AND (worth.member_id IS NULL OR worth.last_purchase_on >= {usual_since})
    ) bought ON TRUE
) person
GROUP BY 1, 2, 3, 4
"""

MEMBERS = """
    SELECT here.member_id, here.community_id, here.joined_at, ({chosen}) AS is_chosen
    FROM ({places}) here
    LEFT JOIN (SELECT id FROM members_member WHERE erased_at IS NOT NULL {erased_among}) erased
      ON erased.id = here.member_id
    {joins}
    WHERE {reason} = ''
"""
PLACES = """
    SELECT member_id, {first} AS community_id, min(joined_at) AS joined_at
    FROM members_membership
    WHERE community_id = ANY({communities}) AND left_at IS NULL {among} GROUP BY member_id
"""
ONE_PLACE = """
    SELECT member_id, community_id, joined_at FROM members_membership
    WHERE community_id = ANY({communities}) AND left_at IS NULL {among}
"""

PEOPLE_IN_CHATS = """
    SELECT stay.member_id, min(chat.community_id) AS community_id,
           min(stay.joined_at) AS joined_at, bool_or(chat.is_chosen) AS is_chosen
    FROM (
        SELECT chat.id, chat.community_id, ({chosen}) AS is_chosen
        FROM communities_groupchat chat
        CROSS JOIN LATERAL (SELECT chat.community_id) here
        {joins}
        WHERE chat.community_id = ANY({communities}) AND chat.state <> {dissolved}
          AND {reason} = ''
    ) chat
    JOIN members_stay stay ON stay.chat_id = chat.id AND stay.left_at IS NULL
    GROUP BY stay.member_id
"""


@dataclass(frozen=True, slots=True)
class Times:
    """The windows that a forecast looks back on, from the local day of ``as_of``."""

    as_of: datetime
    today: date

    @classmethod
    def of(cls, broadcast: Broadcast, as_of: datetime) -> Times:
        return cls(as_of, as_of.astimezone(broadcast.enterprise.zone).date())

    def days_ago(self, days: int) -> date:
        return self.today - timedelta(days=days)

    @property
    def new_since(self) -> datetime:
        return self.as_of - timedelta(days=NEW_DAYS)

    @property
    def dormant_since(self) -> date:
        return self.days_ago(DORMANT_DAYS)


def cells_of(broadcast: Broadcast, *, as_of: datetime, run: Run | None = None) -> list[Cell]:
    """Everybody in the broadcast's communities whom the guards let it reach, at most a few hundred
    cells whatever their number. Raises ``CriterionTooCostly``."""
    audience = audience_of(broadcast, as_of=as_of, run=run)
    guards = Guards.of(broadcast, now=as_of, run=run, communities=audience.community_ids)
    rest = _around(broadcast, audience, Times.of(broadcast, as_of))
    spans = [everybody] if audience.to_chats else spans_of(audience)
    of_them = _people_in_chats if audience.to_chats else _members
    statements = [
        named_sql(CELLS, **rest, here=of_them(audience, guards, among)) for among in spans
    ]
    too_costly = CriterionTooCostly(
        _("预测超过 %(seconds)d 秒。请缩短“近几天”、减少条件，或少选几个社群。")
        % {"seconds": TIME_LIMIT_MS // 1000}
    )
    cells: dict[tuple[object, ...], Cell] = {}
    with time_limit(TIME_LIMIT_MS, otherwise=too_costly), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('work_mem', %s, true)", [WORK_MEMORY])
        for statement in statements:
            cursor.execute(statement.text, statement.params)
            for row in cursor.fetchall():
                cell = Cell(*row)
                former = cells.get(row[:4])
                cells[row[:4]] = cell if former is None else _together(former, cell)
    return [cells[key] for key in sorted(cells, key=str)]


def _together(one: Cell, other: Cell) -> Cell:
    people = one.people + other.people

    def mean(name: str) -> float:
        total = getattr(one, name) * one.people + getattr(other, name) * other.people
        return float(total / people)

    return Cell(
        one.segment,
        one.band,
        one.is_dormant,
        one.is_new,
        people,
        one.chosen + other.chosen,
        mean("ad_share"),
        mean("sends"),
        mean("silence"),
        one.value_amount + other.value_amount,
        one.valued + other.valued,
        one.usual_orders + other.usual_orders,
        one.spent_amount + other.spent_amount,
    )


def _around(broadcast: Broadcast, audience: Audience, times: Times) -> dict[str, object]:
    """What is asked of the communities, and from when on."""
    ids = list(audience.community_ids)
    shares = advert_shares(
        ids,
        since=times.as_of - timedelta(days=WINDOW_DAYS),
        until=times.as_of,
        days=(times.days_ago(WINDOW_DAYS - 1), times.today),
        with_rehearsals=broadcast.channel_account.kind == REHEARSAL,
    )
    told = [shares.get(pk, NOTHING) for pk in ids]
    measured = measured_among(broadcast, times)
    return {
        "communities": ids,
        "ad_shares": [one.by_posts or 0.0 for one in told],
        "sends": [float(one.posts) for one in told],
        "is_measured": [pk in measured for pk in ids],
        "measured": sorted(measured),
        "usual_silence": USUAL_SILENCE,
        "currency": CURRENCY,
        "today": times.today,
        "new_since": times.new_since,
        "dormant_since": times.dormant_since,
        "usual_since": times.days_ago(USUAL_DAYS),
    }


def measured_among(broadcast: Broadcast, times: Times) -> set[int]:
    """Communities of which somebody told us the whole time who is silent."""
    zone = broadcast.enterprise.zone
    since = datetime.combine(times.dormant_since, time.min, tzinfo=zone)
    until = datetime.combine(times.days_ago(1), time.min, tzinfo=zone)
    sources = ActivityCoverage.objects.filter(community__in=broadcast.communities.values("pk"))
    return set(sources.measuring(since, until).values_list("community", flat=True))


def _members(audience: Audience, guards: Guards, among: Among) -> Sql:
    refusal = refusal_of_members(
        guards, among, member="here.member_id", is_erased="erased.id IS NOT NULL"
    )
    outside, joins = outside_of(audience, "here.member_id")
    communities = list(audience.community_ids)
    places = named_sql(ONE_PLACE, communities=communities, among=among("member_id"))
    if len(communities) > 1:
        places = named_sql(
            PLACES,
            first=first_community(guards),
            communities=communities,
            among=among("member_id"),
        )
    return named_sql(
        MEMBERS,
        chosen=_is_chosen(audience, outside),
        places=places,
        erased_among=among("id"),
        joins=joins + refusal.joins,
        reason=refusal.reason,
    )


def _people_in_chats(audience: Audience, guards: Guards, among: Among) -> Sql:
    refusal = refusal_of_chats(guards, among, chat="chat.id")
    outside, joins = outside_of(audience, "chat.id")
    account = audience.broadcast.channel_account
    reason = refusal.reason
    if not reaches_every_chat(account.kind):
        elsewhere = (
            "CASE WHEN chat.channel_account_id <> {account} THEN 'elsewhere' ELSE {reason} END"
        )
        reason = named_sql(elsewhere, account=account.pk, reason=reason)
    chosen = _is_chosen(audience, outside)
    if audience.chat_ids:
        chosen = named_sql(
            "{chosen} AND chat.id = ANY({chats})", chosen=chosen, chats=list(audience.chat_ids)
        )
    return named_sql(
        PEOPLE_IN_CHATS,
        chosen=chosen,
        joins=joins + refusal.joins,
        communities=list(audience.community_ids),
        dissolved=ChatState.DISSOLVED.value,
        reason=reason,
    )


def _is_chosen(audience: Audience, outside: Sql) -> Sql:
    chosen = named_sql("CASE {outside} ELSE '' END = ''", outside=outside)
    if audience.run_id is None:
        return chosen
    occasions = (
        "{chosen} AND EXISTS (SELECT FROM campaigns_occasion fact"
        " WHERE fact.run_id = {run} AND fact.member_id = here.member_id)"
    )
    return named_sql(occasions, chosen=chosen, run=audience.run_id)


def sizes_of(cells: Sequence[Cell]) -> tuple[int, int]:
    """People who can be reached, and those of them who are chosen."""
    return sum(cell.people for cell in cells), sum(cell.chosen for cell in cells)
