"""What the rules of a community say about an applicant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from communities.models import ClassificationValue, Community, EntryPolicy
from communities.rules.kinds import BY_RULE, EntryMode
from members.criteria import check_member, explain, names_of
from members.models import EntryApplication, Evidence, Member
from members.rules.status import ApplicationStatus
from members.rules.unmeasured import (
    INVITATION,
    blocklist_clause,
    invitation_clause,
    tier_clause,
)
from members.selectors.blocklist import is_blocked
from members.selectors.evidence import claimed_values, missing_evidence
from members.selectors.tiers import holds_tier
from scrm.shared.criteria import parse_criterion

type Clauses = list[dict[str, object]]

NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where an application goes by the rules, and every clause of why."""

    status: ApplicationStatus
    clauses: Clauses


@dataclass(frozen=True, slots=True)
class Standing:
    """How a member stands to the thresholds of a community."""

    passed: bool
    clauses: Clauses


def judge(application: EntryApplication, *, is_invited: bool, now: datetime) -> Verdict:
    """Blocklist, invitation, minimum tier and policy are all asked, so that a refusal names
    everything that is missing. Photos count as if they were approved, and so that nobody enters
    on a photo that nobody has looked at, a person decides."""
    community, policy = application.community, application.policy
    asks_for_photos = bool(policy.evidence_axes.all())
    missing = missing_evidence(application) if asks_for_photos else []
    claimed = claimed_values(application)
    standing = standing_of(application.member, community, policy, now=now, assuming=claimed)
    if missing and not standing.passed:
        hoped = claimed | set(
            ClassificationValue.objects.filter(axis__in=missing).values_list("pk", flat=True)
        )
        with_photos = standing_of(application.member, community, policy, now=now, assuming=hoped)
        standing = with_photos if with_photos.passed else standing
    clauses, passed = list(standing.clauses), standing.passed
    if policy.mode == EntryMode.INVITE_ONLY:
        clauses.append(invitation_clause(is_invited=is_invited))
        passed = passed and is_invited
    if is_blocked(application.member_id, community.pk):
        clauses.insert(0, blocklist_clause())
        passed = False
    if not passed:
        return Verdict(ApplicationStatus.REJECTED, clauses)
    if missing:
        return Verdict(ApplicationStatus.EVIDENCE_PENDING, clauses)
    if policy.mode == EntryMode.RULE_AND_REVIEW or (claimed and _has_unseen_photos(application)):
        return Verdict(ApplicationStatus.IN_REVIEW, clauses)
    return Verdict(ApplicationStatus.APPROVED, clauses)


def standing_of(
    member: Member,
    community: Community,
    policy: EntryPolicy,
    *,
    now: datetime,
    assuming: frozenset[int] = NOTHING,
) -> Standing:
    """The minimum tier and the criterion of the policy, clause by clause."""
    clauses: Clauses = []
    passed = True
    if community.minimum_tier is not None:
        criterion = parse_criterion(community.minimum_tier.criterion)
        check = check_member(criterion, member, now=now, assuming=assuming)
        if not check.passed and holds_tier(member, community.minimum_tier):
            clauses.append(tier_clause(community.minimum_tier.name))
        else:
            clauses += [{"rule": "minimum_tier", **clause.as_json()} for clause in check.clauses]
            passed = check.passed
    if policy.mode in BY_RULE:
        check = check_member(parse_criterion(policy.criterion), member, now=now, assuming=assuming)
        clauses += [{"rule": "policy", **clause.as_json()} for clause in check.clauses]
        passed = passed and check.passed
    return Standing(passed, clauses)


def was_invited(application: EntryApplication) -> bool:
    """Whether an earlier judgement found an invitation: it does not run out."""
    return any(
        clause.get("metric") == INVITATION and clause.get("passed")
        for clause in application.clauses
    )


def failures_in_words(clauses: Clauses, *, enterprise_id: int) -> str:
    failed = [clause for clause in clauses if not clause["passed"]]
    names = names_of(failed, enterprise_id=enterprise_id)
    return "；".join(explain(clause, names=names) for clause in failed)


def _has_unseen_photos(application: EntryApplication) -> bool:
    return Evidence.objects.pending().filter(application=application).exists()
