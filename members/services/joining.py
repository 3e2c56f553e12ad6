"""Entering a community: application, decision, seat.

Whoever decides or seats locks the community first: it is the queue that everybody stands in, and
so two applications at once, or an application and a departure, take turns.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import Community, EntryPolicy, GroupChat, JoinWay
from communities.rules.kinds import EntryMode
from communities.rules.status import OPEN_FOR_ENTRY
from communities.services.seating import take_seat
from members.criteria import INVITATION, check_member, explain
from members.errors import (
    AlreadyApplied,
    AlreadyMember,
    BelongsElsewhere,
    CannotDecide,
    NotInviteOnly,
    NotOpenForEntry,
    ReasonMissing,
)
from members.models import EntryApplication, Member, Membership, Stay
from members.rules.status import OPEN_APPLICATION, ApplicationStatus, ObservedBy, may_become
from members.signals import entry_decided, member_joined
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit
from scrm.shared.criteria import parse_criterion
from scrm.shared.errors import refusing

logger = logging.getLogger(__name__)

MAX_REASON = 300

type Clauses = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Decision:
    status: ApplicationStatus
    clauses: Clauses


@transaction.atomic
def apply_for_entry(
    member: Member,
    *,
    community: Community,
    source: str,
    actor: User | None,
    join_way: JoinWay | None = None,
) -> EntryApplication:
    """Decide by the rules of the community, and on a yes take a seat at once.

    A no is a row as well: it says which clause failed, what was asked and what was found.
    """
    return _apply(
        member,
        community=community,
        source=source,
        actor=actor,
        join_way=join_way,
        is_invited=False,
    )


@transaction.atomic
def invite_member(
    member: Member, *, community: Community, source: str, actor: User
) -> EntryApplication:
    """Let somebody into a community that admits by invitation only. The tier still counts."""
    return _apply(
        member, community=community, source=source, actor=actor, join_way=None, is_invited=True
    )


@transaction.atomic
def approve_application(application_id: int, *, actor: User) -> EntryApplication:
    """Say yes after review. Without a free seat the application waits for one."""
    application = _locked(application_id)
    _refuse_closed(application.community)
    _decide(application, ApplicationStatus.APPROVED, actor=actor, reason="")
    _seat(application)
    _record(application, verb="approve_application", actor=actor)
    return application


@transaction.atomic
def reject_application(application_id: int, *, reason: str, actor: User) -> EntryApplication:
    """Say no after review. The reason is for the applicant, so there has to be one."""
    if not reason.strip():
        raise ReasonMissing(_("请写明拒绝的理由，申请人会看到它。"))
    application = _locked(application_id)
    _decide(application, ApplicationStatus.REJECTED, actor=actor, reason=reason.strip())
    _record(application, verb="reject_application", actor=actor)
    return application


@transaction.atomic
def withdraw_application(application_id: int, *, actor: User | None) -> EntryApplication:
    """Take back an application that is still under review or waiting for a seat."""
    application = _locked(application_id)
    _decide(application, ApplicationStatus.WITHDRAWN, actor=actor, reason="")
    _record(application, verb="withdraw_application", actor=actor)
    return application


def seat_waiting_applications(*, limit: int = 500) -> int:
    """Seat those who wait for room, oldest first, where there is room now."""
    room = GroupChat.objects.with_room().filter(community=OuterRef("community"))
    waiting = (
        EntryApplication.objects.waiting_for_room()
        .filter(Exists(room), community__status__in=OPEN_FOR_ENTRY)
        .order_by("submitted_at", "pk")
        .values_list("pk", "community_id")[:limit]
    )
    full: set[int] = set()
    seated = 0
    for application_id, community_id in waiting:
        if community_id in full:
            continue
        try:
            status = seat_waiting_application(application_id)
        except Exception:  # the others must not wait for the one that cannot be seated
            logger.exception("cannot seat", extra={"application_id": application_id})
            continue
        seated += status == ApplicationStatus.JOINED
        if status == ApplicationStatus.APPROVED:
            full.add(community_id)
    return seated


@transaction.atomic
def seat_waiting_application(application_id: int) -> str:
    """Seat one approved application if it still waits and there is room; tell how it stands."""
    application = _locked(application_id)
    if application.status != ApplicationStatus.APPROVED:
        return application.status
    if application.community.status not in OPEN_FOR_ENTRY:
        return application.status
    if _is_member(application.member, application.community):
        reason = _("这位成员已在社群中。")
        _decide(application, ApplicationStatus.WITHDRAWN, actor=None, reason=reason)
    else:
        _seat(application)
    return application.status


def _apply(
    member: Member,
    *,
    community: Community,
    source: str,
    actor: User | None,
    join_way: JoinWay | None,
    is_invited: bool,
) -> EntryApplication:
    community = (
        Community.objects.select_for_update(no_key=True, of=("self",))
        .select_related("minimum_tier")
        .get(pk=community.pk)
    )
    policy = _policy_of(community)
    _refuse_entry(member, community, policy, is_invited=is_invited)
    decision = _judge(member, community, policy, is_invited=is_invited, now=timezone.now())
    is_open = decision.status in OPEN_APPLICATION
    with refusing(_already_applied(), constraint="one_open_application"):
        application = EntryApplication.objects.create(
            enterprise_id=community.enterprise_id,
            community=community,
            member=member,
            policy=policy,
            source=source,
            join_way=join_way,
            status=decision.status,
            clauses=decision.clauses,
            reason="" if is_open else _reason(decision.clauses),
            decided_at=None if decision.status == ApplicationStatus.IN_REVIEW else Now(),
            decided_by=actor if is_invited and is_open else None,
        )
    if decision.status == ApplicationStatus.APPROVED:
        _seat(application)
    _record(application, verb="invite_member" if is_invited else "apply_for_entry", actor=actor)
    if decision.status != ApplicationStatus.IN_REVIEW:
        entry_decided.send(sender=EntryApplication, application_id=application.pk)
    return application


def _policy_of(community: Community) -> EntryPolicy:
    _refuse_closed(community)
    policy = community.entry_policies.active().first()
    if policy is None:
        raise NotOpenForEntry(_("社群没有生效的准入规则，请先设定。"))
    return policy


def _refuse_closed(community: Community) -> None:
    if community.status not in OPEN_FOR_ENTRY:
        raise NotOpenForEntry(
            _("社群“%(status)s”，现在不接收新成员。") % {"status": community.get_status_display()},
            details={"status": community.status},
        )


def _refuse_entry(
    member: Member, community: Community, policy: EntryPolicy, *, is_invited: bool
) -> None:
    if member.enterprise_id != community.enterprise_id:
        raise BelongsElsewhere(_("成员和社群不属于同一家企业。"))
    if is_invited and policy.mode != EntryMode.INVITE_ONLY:
        raise NotInviteOnly(_("这个社群不是邀请制，请走入群申请。"))
    if _is_member(member, community):
        raise AlreadyMember(_("这位成员已在社群中，不需要再申请。"))
    former = EntryApplication.objects.filter(
        member=member, community=community, status__in=OPEN_APPLICATION
    ).first()
    if former is not None:
        raise _already_applied(former)


def _is_member(member: Member, community: Community) -> bool:
    return Membership.objects.active().filter(member=member, community=community).exists()


def _already_applied(former: EntryApplication | None = None) -> AlreadyApplied:
    return AlreadyApplied(
        _("这位成员已有一个未结束的申请，请先审核或撤回它。"),
        details=None if former is None else {"application": former.pk, "status": former.status},
    )


def _judge(
    member: Member,
    community: Community,
    policy: EntryPolicy,
    *,
    is_invited: bool,
    now: datetime,
) -> Decision:
    """What the rules say: the minimum tier and the policy are both asked, so that a refusal
    names everything that is missing."""
    clauses: Clauses = []
    passed = True
    if community.minimum_tier is not None:
        criterion = parse_criterion(community.minimum_tier.criterion)
        check = check_member(criterion, member, now=now)
        clauses += [{"rule": "minimum_tier", **clause.as_json()} for clause in check.clauses]
        passed = check.passed
    if policy.mode == EntryMode.INVITE_ONLY:
        clauses.append(_invitation(is_invited=is_invited))
        passed = passed and is_invited
    elif policy.mode != EntryMode.OPEN:
        check = check_member(parse_criterion(policy.criterion), member, now=now)
        clauses += [{"rule": "policy", **clause.as_json()} for clause in check.clauses]
        passed = passed and check.passed
    if not passed:
        return Decision(ApplicationStatus.REJECTED, clauses)
    if policy.mode == EntryMode.RULE_AND_REVIEW:
        return Decision(ApplicationStatus.IN_REVIEW, clauses)
    return Decision(ApplicationStatus.APPROVED, clauses)


def _invitation(*, is_invited: bool) -> dict[str, object]:
    return {
        "rule": "policy",
        "path": "$",
        "metric": INVITATION,
        "op": "is",
        "required": "invited",
        "actual": "invited" if is_invited else "",
        "window_days": None,
        "negated": False,
        "passed": is_invited,
        "missing": None,
    }


def _reason(clauses: Clauses) -> str:
    failed = [explain(clause) for clause in clauses if not clause["passed"]]
    return "；".join(failed)[:MAX_REASON]


def _locked(application_id: int) -> EntryApplication:
    """The application, with its community locked before it."""
    community_id = EntryApplication.objects.values_list("community_id", flat=True).get(
        pk=application_id
    )
    community = Community.objects.select_for_update(no_key=True).get(pk=community_id)
    application = (
        EntryApplication.objects.select_for_update(no_key=True, of=("self",))
        .select_related("member")
        .get(pk=application_id)
    )
    application.community = community
    return application


def _decide(
    application: EntryApplication,
    status: ApplicationStatus,
    *,
    actor: User | None,
    reason: str,
) -> None:
    if not may_become(application.status, status):
        raise CannotDecide(
            _("申请“%(status)s”，不能再这样处理。") % {"status": application.get_status_display()},
            details={"status": application.status},
        )
    application.status = status
    application.reason = reason[:MAX_REASON]
    application.decided_by = actor
    application.decided_at = Now()
    application.save(update_fields=["status", "reason", "decided_by", "decided_at"])
    entry_decided.send(sender=EntryApplication, application_id=application.pk)


def _seat(application: EntryApplication) -> None:
    """Give an approved application a place in a chat, or say what it waits for."""
    community = application.community
    chat = take_seat(community)
    if chat is None:
        has_chats = community.group_chats.live().exists()
        application.reason = (
            _("社群的客户群都满了，有空位时自动入群。")
            if has_chats
            else _("社群还没有客户群，分配后自动入群。")
        )
        application.save(update_fields=["reason"])
        return
    already_member = AlreadyMember(_("这位成员已在社群中，不需要再申请。"))
    with refusing(already_member, constraint="one_active_membership"):
        membership = Membership.objects.create(
            enterprise_id=community.enterprise_id,
            member=application.member,
            community=community,
            source=application.source,
        )
    stay = Stay.objects.create(
        enterprise_id=community.enterprise_id,
        membership=membership,
        member=application.member,
        chat=chat,
        observed_by=ObservedBy.PRODUCT,
        joined_at=membership.joined_at,
    )
    application.status = ApplicationStatus.JOINED
    application.reason = ""
    application.membership = membership
    application.save(update_fields=["status", "reason", "membership"])
    member_joined.send(sender=Membership, membership_id=membership.pk, stay_id=stay.pk)


def _record(application: EntryApplication, *, verb: str, actor: User | None) -> None:
    record_audit(
        actor,
        verb=verb,
        subject=application,
        after={
            "status": application.status,
            "reason": application.reason,
            "member": application.member_id,
            "community": application.community_id,
            "policy": application.policy_id,
        },
    )
