"""Colleagues as the platform's directory shows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from scrm.accounts.errors import LastAdministrator
from scrm.accounts.models import Department, Staff, StaffPlatformStatus
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.accounts.services.operator_tasks import open_task, settle_tasks
from scrm.accounts.services.staff import deactivate_staff, reactivate_staff
from scrm.accounts.services.users import lock_accounts_of

FIELDS = ("name", "department", "external_id", "platform_status")


@dataclass(frozen=True, slots=True)
class StaffSeen:
    """``department_ids`` are those of the platform, the main one first. What the platform did not
    tell is empty, and then stays as it is. ``status`` is a value of ``StaffPlatformStatus``."""

    userid: str
    name: str = ""
    department_ids: tuple[str, ...] = ()
    status: str = ""


@transaction.atomic
def observe_staff(
    enterprise_id: int, seen: Sequence[StaffSeen], *, read_at: datetime | None
) -> dict[str, int]:
    """Create and correct colleagues, found by their userid whatever its case. Who has left loses
    their login at once; who is back is active again, without it.

    ``read_at`` is when the directory showed them; None for what an event says. Returns ``seen``,
    ``added``, ``changed`` and ``closed``.
    """
    lock_accounts_of(enterprise_id)
    told = {each.userid.lower(): each for each in seen if each.userid}
    known = _known(enterprise_id, told)
    departments = _departments(enterprise_id, told.values())
    added = _create(enterprise_id, [e for key, e in told.items() if key not in known], departments)
    counts = {"seen": len(told), "added": len(added), "changed": 0, "closed": 0}
    for key, row in known.items():
        counts["closed"] += told[key].status == StaffPlatformStatus.LEFT and row.is_active
        counts["changed"] += _correct(row, told[key], departments)
    if read_at is not None:
        shown = [row.pk for row in (*known.values(), *added)]
        colleagues = Staff.objects.filter(pk__in=shown)
        colleagues.update(seen_at=read_at)
        there = colleagues.exclude(platform_status=StaffPlatformStatus.LEFT)
        settle_tasks(TaskKind.STAFF_MISSING, subjects=there)
    return counts


def _known(enterprise_id: int, userids: Collection[str]) -> dict[str, Staff]:
    rows = Staff.objects.filter(enterprise=enterprise_id).annotate(lowered=Lower("external_id"))
    found = rows.filter(lowered__in=list(userids)).select_related("department")
    locked = found.select_for_update(no_key=True, of=("self",)).order_by("pk")
    return {row.external_id.lower(): row for row in locked}


def _departments(enterprise_id: int, seen: Collection[StaffSeen]) -> dict[str, Department]:
    named = {external_id for each in seen for external_id in each.department_ids}
    rows = Department.objects.filter(enterprise=enterprise_id, external_id__in=named)
    return {row.external_id: row for row in rows}


def _department_of(each: StaffSeen, departments: Mapping[str, Department]) -> Department | None:
    return next((departments[key] for key in each.department_ids if key in departments), None)


def _create(
    enterprise_id: int, unknown: Sequence[StaffSeen], departments: Mapping[str, Department]
) -> list[Staff]:
    rows = Staff.objects.bulk_create(
        Staff(
            enterprise_id=enterprise_id,
            external_id=each.userid,
            name=(each.name or each.userid)[:120],
            department=_department_of(each, departments),
            platform_status=each.status,
            is_active=each.status != StaffPlatformStatus.LEFT,
        )
        for each in unknown
    )
    for row in rows:
        record_audit(None, verb="create_staff", subject=row, after=snapshot(row, FIELDS))
    return rows


def _correct(row: Staff, each: StaffSeen, departments: Mapping[str, Department]) -> bool:
    """Whether something had to be changed."""
    before = snapshot(row, FIELDS)
    row.name = each.name[:120] or row.name
    row.department = _department_of(each, departments) or row.department
    if each.status:
        row.platform_status = each.status
    after = snapshot(row, FIELDS)
    if after != before:
        row.save(update_fields=["name", "department", "platform_status"])
        record_audit(None, verb="edit_staff", subject=row, before=before, after=after)
    _come_or_go(row, before=str(before["platform_status"]))
    return after != before


def _come_or_go(row: Staff, *, before: str) -> None:
    """Somebody whom an operator has made inactive stays so until the platform says they are back
    from having left."""
    if row.platform_status == StaffPlatformStatus.LEFT and row.is_active:
        let_go(row)
    elif before == StaffPlatformStatus.LEFT != row.platform_status and not row.is_active:
        reactivate_staff(row.pk, actor=None)


def let_go(row: Staff) -> None:
    try:
        with transaction.atomic():
            deactivate_staff(row.pk, actor=None)
    except LastAdministrator:
        title = _("“%(name)s”已退出企业，但是最后一位管理员：先指定另一位，再停用。")
        open_task(TaskKind.STAFF_MISSING, subject=row, title=title % {"name": row.name})


@transaction.atomic
def staff_left(enterprise_id: int, userids: Sequence[str]) -> int:
    """The platform has told that they are gone; returns how many of them we knew as colleagues."""
    lock_accounts_of(enterprise_id)
    gone = 0
    for row in _known(enterprise_id, {userid.lower() for userid in userids}).values():
        gone += _correct(row, StaffSeen(row.external_id, status=StaffPlatformStatus.LEFT), {})
    return gone


@transaction.atomic
def rename_staff(enterprise_id: int, userid: str, *, new_userid: str) -> bool:
    """A colleague has another userid now. False when there is nobody to rename, or when the new
    one is already here: then the directory shows which of the two is still there."""
    lock_accounts_of(enterprise_id)
    known = _known(enterprise_id, {userid.lower(), new_userid.lower()})
    row = known.get(userid.lower())
    if row is None or known.get(new_userid.lower(), row) != row:
        return False
    before = snapshot(row, FIELDS)
    row.external_id = new_userid
    row.save(update_fields=["external_id"])
    after = snapshot(row, FIELDS)
    record_audit(None, verb="edit_staff", subject=row, before=before, after=after)
    return True


# --- Who was not seen -----------------------------------------------------------------------------


def unseen_staff(enterprise_id: int, *, since: datetime) -> QuerySet[Staff]:
    """Active colleagues with a userid whom the directory has not shown since then."""
    known = Staff.objects.filter(enterprise=enterprise_id, is_active=True).exclude(external_id="")
    return known.exclude(seen_at__gte=since).exclude(platform_status=StaffPlatformStatus.LEFT)


@transaction.atomic
def miss_staff(enterprise_id: int, *, since: datetime) -> int:
    """Those whom the directory has not shown since then are missed; returns how many newly."""
    newly = unseen_staff(enterprise_id, since=since).exclude(
        platform_status=StaffPlatformStatus.MISSING
    )
    missing = list(newly.select_for_update(no_key=True).order_by("pk"))
    for row in missing:
        _miss(row)
    return len(missing)


@transaction.atomic
def miss_one(enterprise_id: int, userid: str) -> bool:
    """The directory has no such person, or none that we may see."""
    row = _known(enterprise_id, [userid.lower()]).get(userid.lower())
    settled = (StaffPlatformStatus.LEFT, StaffPlatformStatus.MISSING)
    if row is None or not row.is_active or row.platform_status in settled:
        return False
    _miss(row)
    return True


def _miss(row: Staff) -> None:
    """Gone, or out of our sight: a person has to say which."""
    before = snapshot(row, ["platform_status"])
    row.platform_status = StaffPlatformStatus.MISSING
    row.save(update_fields=["platform_status"])
    after = snapshot(row, ["platform_status"])
    record_audit(None, verb="edit_staff", subject=row, before=before, after=after)
    title = _("通讯录里找不到“%(name)s”（%(userid)s）：已离职，还是不在应用的可见范围内？")
    open_task(
        TaskKind.STAFF_MISSING,
        subject=row,
        title=title % {"name": row.name, "userid": row.external_id},
        details={"userid": row.external_id},
    )


@transaction.atomic
def allow_customer_contact(enterprise_id: int, userids: Collection[str]) -> dict[str, int]:
    """These, and nobody else, may own customer groups and have customers."""
    listed = {userid.lower() for userid in userids}
    rows = Staff.objects.filter(enterprise=enterprise_id).annotate(lowered=Lower("external_id"))
    rows = rows.exclude(external_id="")
    allowed = rows.filter(lowered__in=listed, can_use_customer_group=False)
    refused = rows.exclude(lowered__in=listed).filter(can_use_customer_group=True)
    gained = Staff.objects.filter(pk__in=allowed.values("pk")).update(can_use_customer_group=True)
    lost = Staff.objects.filter(pk__in=refused.values("pk")).update(can_use_customer_group=False)
    return {"gained": gained, "lost": lost}
