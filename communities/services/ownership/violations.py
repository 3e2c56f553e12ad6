"""Changes of owner that were seen on the platform and that our rules forbid."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast

from django.db import transaction
from django.db.models import Count
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from communities.errors import ViolationIsClosed, ViolationNoteMissing
from communities.models import GroupChat, OwnershipPeriod, OwnershipViolation, TransferItem
from communities.models.ownership import OwnershipViolationQuerySet
from communities.rules.ownership import ABOUT_THE_OWNER, Owner, broken_by, broken_by_the_way
from communities.rules.transfer_planning import Policy
from communities.rules.transfers import BrokenRule, ItemState, OwnershipCause, ViolationStatus
from communities.services.ownership.policies import policies_of_chats
from scrm.accounts.models import Staff, User
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.audit import record_audit
from scrm.accounts.services.operator_tasks import open_task, settle_task, settle_tasks

REVIEWED_AT_ONCE = 1000
LONGEST_NOTE = 300


def judge_changes(
    periods: Sequence[OwnershipPeriod], hand_overs: Mapping[int, TransferItem]
) -> None:
    """These periods have just begun. Alert whoever runs the community to those that began against
    our rules, and end the alerts that they put right. ``hand_overs``: what of ours holds each chat.
    """
    if not periods:
        return
    open_ones = OwnershipViolation.objects.filter(chat__in=[row.chat_id for row in periods])
    returned = {row.chat_id for row in _unsettled(open_ones) if _is_former_owner(row)}
    broken = _broken_by([row for row in periods if row.chat_id not in returned], hand_overs)
    rows = OwnershipViolation.objects.bulk_create(
        OwnershipViolation(
            enterprise_id=period.enterprise_id, chat=period.chat, period=period, rules=rules
        )
        for period, rules in broken
    )
    for row in rows:
        _alert(row)
    _end_where_put_right(open_ones)


def review_violations() -> int:
    """End the open violations whose chat belongs again to the owner before, or to somebody who may
    own it; how many."""
    rows = OwnershipViolation.objects.order_by("pk")
    ended, last = 0, 0
    while page := list(
        rows.open().filter(pk__gt=last).values_list("pk", flat=True)[:REVIEWED_AT_ONCE]
    ):
        ended += _end_where_put_right(rows.filter(pk__in=page))
        last = page[-1]
    return ended


@transaction.atomic
def accept_violation(violation_id: int, *, note: str, actor: User) -> OwnershipViolation:
    """Let a forbidden change of owner stand, and say why."""
    note = note.strip()[:LONGEST_NOTE]
    if not note:
        raise ViolationNoteMissing(_("请写明为什么认可这次更换。"))
    violation = OwnershipViolation.objects.select_for_update(no_key=True).get(pk=violation_id)
    if violation.status != ViolationStatus.OPEN:
        raise ViolationIsClosed(
            _("这次违规“%(status)s”，不用再处理。") % {"status": violation.get_status_display()},
            details={"status": violation.status},
        )
    violation.status, violation.note = ViolationStatus.ACCEPTED, note
    violation.closed_by = actor
    violation.closed_at = Now()
    violation.save(update_fields=["status", "note", "closed_by", "closed_at"])
    violation.refresh_from_db(fields=["closed_at"])
    settle_task(TaskKind.OWNERSHIP_VIOLATION, subject=violation)
    record_audit(
        actor,
        verb="accept_violation",
        subject=violation,
        before={"status": ViolationStatus.OPEN},
        after={"status": violation.status, "note": note},
    )
    return violation


def words_of(rules: Iterable[str]) -> str:
    """The broken rules, for people."""
    return _("、").join(str(BrokenRule(rule).label) for rule in rules)


# --- What is broken -------------------------------------------------------------------------------


def _broken_by(
    periods: Sequence[OwnershipPeriod], hand_overs: Mapping[int, TransferItem]
) -> list[tuple[OwnershipPeriod, list[BrokenRule]]]:
    observed = [
        row for row in periods if row.cause == OwnershipCause.OBSERVED and _is_somebody(row)
    ]
    owners = _owners({row.staff_id for row in observed})
    policies = policies_of_chats([row.chat for row in observed])
    broken = []
    for row in observed:
        item, policy = hand_overs.get(row.chat_id), policies.get(row.chat_id)
        rules = broken_by(_owner(row.staff_id, owners), maximum=_maximum(policy))
        rules += broken_by_the_way(
            hand_over=None if item is None else ItemState(item.state),
            is_its_receiver=item is not None and item.receiver_id == row.staff_id is not None,
            needs_approval=policy is not None and policy.needs_approval,
        )
        if rules:
            broken.append((row, rules))
    return broken


def _maximum(policy: Policy | None) -> int | None:
    return None if policy is None else policy.maximum


def _is_somebody(period: OwnershipPeriod) -> bool:
    return period.staff_id is not None or bool(period.userid)


def _owners(staff_ids: Collection[int | None]) -> dict[int, Owner]:
    rows = Staff.objects.filter(pk__in=[each for each in staff_ids if each is not None])
    counted = GroupChat.objects.live().filter(owner__in=rows).values("owner")
    chats = dict(counted.annotate(count=Count("pk")).values_list("owner", "count"))
    return {
        row.pk: Owner(
            is_known=True,
            is_active=row.is_active,
            platform_status=row.platform_status,
            may_own=row.can_use_customer_group,
            chats=chats.get(row.pk, 0),
        )
        for row in rows
    }


def _owner(staff_id: int | None, owners: Mapping[int, Owner]) -> Owner:
    return Owner(is_known=False) if staff_id is None else owners[staff_id]


def _alert(violation: OwnershipViolation) -> None:
    chat = violation.chat
    community = chat.community
    owner = None if community is None else community.owner
    open_task(
        TaskKind.OWNERSHIP_VIOLATION,
        subject=violation,
        title=_("“%(chat)s”在平台上换了群主：%(rules)s")
        % {"chat": chat, "rules": words_of(violation.rules)},
        details={"chat": chat.name, "reasons": words_of(violation.rules)},
        assignee=owner if owner is not None and owner.is_active else None,
    )


# --- What puts it right ---------------------------------------------------------------------------


def _unsettled(violations: OwnershipViolationQuerySet) -> OwnershipViolationQuerySet:
    """The open ones, with their chats and the owner before each."""
    return violations.open().with_former_owner().select_related("chat")


@transaction.atomic
def _end_where_put_right(violations: OwnershipViolationQuerySet) -> int:
    claimed = _unsettled(violations).select_for_update(no_key=True, of=("self",), skip_locked=True)
    rows = list(claimed)
    if not rows:
        return 0
    owners = _owners({row.chat.owner_id for row in rows})
    policies = policies_of_chats([row.chat for row in rows])
    unsettled = {row.period_id for row in rows}
    present = _present([row.chat_id for row in rows])
    ended: dict[str, list[int]] = {}
    for row in rows:
        current = present.get(row.chat_id)
        is_allowed = not broken_by(
            _owner(row.chat.owner_id, owners), maximum=_maximum(policies.get(row.chat_id))
        )
        note = _put_right_by(row, current, is_allowed=is_allowed, is_forbidden=current in unsettled)
        if note:
            ended.setdefault(note, []).append(row.pk)
    for note, ids in ended.items():
        closed = OwnershipViolation.objects.filter(pk__in=ids)
        closed.update(status=ViolationStatus.REVERSED, note=note, closed_at=Now())
        settle_tasks(TaskKind.OWNERSHIP_VIOLATION, subjects=closed)
    return sum(map(len, ended.values()))


def _present(chat_ids: Collection[int]) -> dict[int, int]:
    """The open periods of these chats."""
    periods = OwnershipPeriod.objects.open().filter(chat__in=chat_ids)
    return dict(periods.values_list("chat", "pk"))


def _put_right_by(
    row: OwnershipViolation,
    current: int | None,
    *,
    is_allowed: bool,
    is_forbidden: bool,
) -> str:
    """In words, or empty where it is not put right. ``current`` is the chat's open period;
    ``is_allowed``: its owner may own the chat; ``is_forbidden``: it began against the rules."""
    if current is None:
        return _("群已解散。")
    if current != row.period_id and _is_former_owner(row):
        return _("群已转回原群主。")
    if current != row.period_id and is_forbidden:
        return ""
    if current == row.period_id and not ABOUT_THE_OWNER.issuperset(row.rules):
        return ""
    return _("现在的群主符合规则。") if is_allowed else ""


def _is_former_owner(row: OwnershipViolation) -> bool:
    former_staff = cast(int | None, getattr(row, "former_staff", None))
    former_userid = cast(str, getattr(row, "former_userid", None) or "")
    if former_staff is not None and row.chat.owner_id is not None:
        return former_staff == row.chat.owner_id
    return bool(former_userid) and former_userid.lower() == row.chat.owner_userid.lower()
