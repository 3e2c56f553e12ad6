"""Of whom a profile may be made: scored, valued, listed by what they are likely to do."""

from __future__ import annotations

from members.rules.standing import ConsentDecision, ConsentPurpose
from scrm.accounts.models import Enterprise
from scrm.shared.sql import Sql, sql


def may_be_profiled(enterprise: Enterprise, member: str) -> Sql:
    """A condition of SQL over the column that holds a member's id; it is never NULL.

    The latest word about profiling decides. Where the enterprise needs consent, silence is a no;
    where it does not, only a refusal or a withdrawal is. Who was erased is never profiled.
    """
    latest = (
        "(SELECT word.decision FROM members_consent word"  # noqa: S608 - a column name of ours
        f" WHERE word.purpose = {{}} AND word.member_id = {member}"
        " ORDER BY word.id DESC LIMIT 1)"
    )
    erased = (
        "NOT EXISTS (SELECT FROM members_member erased"
        f" WHERE erased.id = {member} AND erased.erased_at IS NOT NULL)"
    )
    if enterprise.profiling_needs_consent:
        said = sql(
            f"COALESCE({latest}, '') = {{}}",
            ConsentPurpose.PROFILING.value,
            ConsentDecision.GRANTED.value,
        )
    else:
        said = sql(
            f"COALESCE({latest}, {{}}) = {{}}",
            ConsentPurpose.PROFILING.value,
            ConsentDecision.GRANTED.value,
            ConsentDecision.GRANTED.value,
        )
    return sql(f"({{}} AND {erased})", said)
