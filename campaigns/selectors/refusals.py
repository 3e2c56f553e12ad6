"""Why a recipient may not be written to, as one SQL expression: the same at the claim, for the
recipients of a dispatch, and in an estimate, for a whole audience.

Whoever asks joins the recipients as ``member`` or ``chat`` and the community through which they
are reached as ``here.community_id``. The first reason that holds is the one that is told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from campaigns.rules.guarding import ConsentRule
from campaigns.selectors.guards import Guards
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
) word ON word.member_id = member.id
"""

RECEIVED = """
LEFT JOIN (
    SELECT recipient_id, {} FROM campaigns_delivery
    WHERE run_id = ANY({}) {} AND (status = ANY({}){})
    GROUP BY recipient_id
) got ON got.recipient_id = {}
"""

BLOCKED = """EXISTS (
    SELECT FROM members_blocklistentry block
    WHERE block.member_id = member.id AND block.lifted_at IS NULL
      AND (block.community_id IS NULL OR block.community_id = here.community_id)
      AND (block.expires_at IS NULL OR block.expires_at > statement_timestamp())
)"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """``joins`` go into the FROM clause, ``reason`` is a text: "" where something may be sent."""

    joins: Sql
    reason: Sql


def refusal_of_members(guards: Guards, among: Among) -> Refusal:
    sources = [_consents(guards, among), _received(guards, among, "member.id")]
    reasons = [
        Sql("WHEN member.erased_at IS NOT NULL THEN 'erased'"),
        Sql(f"WHEN {BLOCKED} THEN 'blocked'"),
        *_consent_reasons(guards),
        *_community_reasons(guards),
        *_cap_reasons(guards),
    ]
    return Refusal(joined("", sources), _case(reasons))


def refusal_of_chats(guards: Guards, among: Among) -> Refusal:
    """Nobody is asked in a chat: what holds is what holds of the chat."""
    reasons = [*_community_reasons(guards), *_cap_reasons(guards)]
    return Refusal(_received(guards, among, "chat.id"), _case(reasons))


def _case(reasons: list[Sql]) -> Sql:
    return sql("CASE {} ELSE '' END", joined(" ", reasons)) if reasons else Sql("''")


def _consents(guards: Guards, among: Among) -> Sql:
    if not guards.consent_rule:
        return Sql("")
    return sql(CONSENTS, ConsentPurpose.BROADCAST.value, among("member_id"))


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
    """What recipients got from earlier runs, one number for each cap."""
    if not guards.caps:
        return Sql("")
    numbers = joined(
        ", ",
        [
            sql(f"count(*) FILTER (WHERE run_id = ANY({{}})) AS cap_{n}", list(cap.run_ids))
            for n, cap in enumerate(guards.caps)
        ],
    )
    run_ids = sorted({run_id for cap in guards.caps for run_id in cap.run_ids})
    promised = [run_id for run_id in guards.promised_run_ids if run_id in run_ids]
    planned = sql(" OR (status = 'planned' AND run_id = ANY({}))", promised)
    return sql(
        RECEIVED,
        numbers,
        run_ids,
        among("recipient_id"),
        list(GOT),
        planned if promised else Sql(""),
        Sql(recipient),
    )


def _cap_reasons(guards: Guards) -> list[Sql]:
    return [
        sql(f"WHEN got.cap_{n} >= {{}} THEN {{}}", cap.limit, cap.reason)
        for n, cap in enumerate(guards.caps)
    ]
