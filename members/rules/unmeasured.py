"""Clauses of a decision that no metric measures: invitations, blocks, tiers that are held."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

INVITATION = "invitation"
BLOCKLIST = "blocklist"
TIER_HELD = "tier_held"

type Clause = dict[str, object]


def invitation_clause(*, is_invited: bool) -> Clause:
    return _clause("policy", INVITATION, "invited", "invited" if is_invited else "", is_invited)


def blocklist_clause() -> Clause:
    return _clause("blocklist", BLOCKLIST, "not_blocked", "blocked", passed=False)


def tier_clause(tier_name: str) -> Clause:
    return _clause("minimum_tier", TIER_HELD, tier_name, tier_name, passed=True)


def words_of(result: Mapping[str, object]) -> str | None:
    """The clause as a sentence; None for one that was measured."""
    match result.get("metric"):
        case "invitation":
            return _("这个社群只接受邀请")
        case "blocklist":
            return _("在黑名单中，不能加入")
        case "tier_held":
            return _("层级“%(tier)s”：已持有") % {"tier": result.get("required")}
    return None


def _clause(rule: str, metric: str, required: str, actual: str, passed: bool) -> Clause:
    return {
        "rule": rule,
        "path": "$",
        "metric": metric,
        "op": "is",
        "required": required,
        "actual": actual,
        "window_days": None,
        "of": None,
        "negated": False,
        "passed": passed,
        "missing": None,
        "provisional": False,
    }
