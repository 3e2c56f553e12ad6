"""Why a recipient may not be written to, as one SQL expression: the same at the claim, for the
recipients of a dispatch, and in an estimate, for a whole audience.

Whoever asks has the community through which a recipient is reached as ``here.community_id``. The
first reason that holds is the one that is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from campaigns.rules.guarding import ConsentRule
from campaigns.selectors.guards import Cap, Guards
from members.rules.standing import ConsentDecision, ConsentPurpose
from scrm.shared.sql import Sql, joined, sql

#: Makes ``AND column …`` of a column of recipients' ids: whom a source has to be read for.
type Among = Callable[[str], Sql]

GOT = ("delivered", "awaiting_owner", "submitted")

# Of two words of the same member the later one counts, which has the greater number.
CONSENTS = """
LEFT JOIN (
    SELECT DISTINCT ON (member_id) member_id, decision FROM members_consent
    WHERE purpose = {} {}
    ORDER BY member_id, id DESC
) word ON word.member_id = {}
"""

RECEIVED = """
LEFT JOIN (
    SELECT recipient_id, {} FROM campaigns_delivery
    WHERE run_id = ANY({}) {} AND (status = ANY({}){})
    GROUP BY recipient_id HAVING {}
) got ON got.recipient_id = {}
"""

BLOCKS = """
LEFT JOIN (
    SELECT member_id, bool_or(community_id IS NULL) AS is_everywhere, array_agg(community_id) AS ids
    FROM members_blocklistentry
    WHERE lifted_at IS NULL AND (expires_at IS NULL OR expires_at > statement_timestamp()) {}
    GROUP BY member_id
) block ON block.member_id = {}
"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """``joins`` go into the FROM clause, ``reason`` is a text: "" where something may be sent."""

    joins: Sql
    reason: Sql


def refusal_of_members(guards: Guards, among: Among, *, member: str, is_erased: str) -> Refusal:
    """``member`` is the column of their ids, ``is_erased`` a condition."""
    sources = [
        sql(BLOCKS, among("member_id"), Sql(member)),
        _consents(guards, among, member),
        _received(guards, among, member),
    ]
    reasons = [
        Sql(f"WHEN {is_erased} THEN 'erased'"),
        Sql("WHEN block.is_everywhere OR here.community_id = ANY(block.ids) THEN 'blocked'"),
        *_consent_reasons(guards),
        *_community_reasons(guards),
        *_cap_reasons(guards),
    ]
    return Refusal(joined("", sources), _case(reasons))


def refusal_of_chats(guards: Guards, among: Among, *, chat: str) -> Refusal:
    """``chat`` is the column of their ids. Nobody is asked in a chat: what holds is what holds of
    the chat."""
    reasons = [*_community_reasons(guards), *_cap_reasons(guards)]
    return Refusal(_received(guards, among, chat), _case(reasons))


def _case(reasons: list[Sql]) -> Sql:
    return sql("CASE {} ELSE '' END", joined(" ", reasons)) if reasons else Sql("''")


def _consents(guards: Guards, among: Among, member: str) -> Sql:
    if not guards.consent_rule:
        return Sql("")
    return sql(CONSENTS, ConsentPurpose.BROADCAST.value, among("member_id"), Sql(member))


def _consent_reasons(guards: Guards) -> list[Sql]:
    if not guards.consent_rule:
        return []
    reasons = [
        sql("WHEN word.decision = {} THEN 'consent_withdrawn'", ConsentDecision.WITHDRAWN.value),
        sql("WHEN word.decision = {} THEN 'consent_denied'", ConsentDecision.DENIED.value),
    ]
    if guards.consent_rule == ConsentRule.REQUIRED:
        reasons.append(Sql("WHEN word.decision IS NULL THEN 'no_consent'"))
    return reasons


def _community_reasons(guards: Guards) -> list[Sql]:
    if not guards.refused:
        return []
    communities, reasons = list(guards.refused), list(guards.refused.values())
    return [
        sql(
            "WHEN here.community_id = ANY({}::bigint[])"
            " THEN ({}::text[])[array_position({}::bigint[], here.community_id)]",
            communities,
            reasons,
            communities,
        )
    ]


def _received(guards: Guards, among: Among, recipient: str) -> Sql:
    """What those who are at a cap got from earlier runs, one number for each cap."""
    if not guards.caps:
        return Sql("")
    run_ids = sorted({run_id for cap in guards.caps for run_id in cap.run_ids})
    numbers = joined(
        ", ",
        [
            _counted(cap, run_ids) + Sql(f" AS cap_{number}")
            for number, cap in enumerate(guards.caps)
        ],
    )
    promised = [run_id for run_id in guards.promised_run_ids if run_id in run_ids]
    planned = sql(" OR (status = 'planned' AND run_id = ANY({}))", promised)
    return sql(
        RECEIVED,
        numbers,
        run_ids,
        among("recipient_id"),
        list(GOT),
        planned if promised else Sql(""),
        joined(" OR ", [sql("{} >= {}", _counted(cap, run_ids), cap.limit) for cap in guards.caps]),
        Sql(recipient),
    )


def _counted(cap: Cap, run_ids: list[int]) -> Sql:
    if sorted(cap.run_ids) == run_ids:
        return Sql("count(*)")
    return sql("count(*) FILTER (WHERE run_id = ANY({}))", list(cap.run_ids))


def _cap_reasons(guards: Guards) -> list[Sql]:
    return [
        sql(f"WHEN got.cap_{n} >= {{}} THEN {{}}", cap.limit, cap.reason)
        for n, cap in enumerate(guards.caps)
    ]
