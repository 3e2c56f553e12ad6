"""Departments as the platform's directory shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from scrm.accounts.models import Department
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.accounts.services.departments import FIELDS


@dataclass(frozen=True, slots=True)
class DepartmentSeen:
    """``parent_id`` is empty where the platform told none."""

    external_id: str
    name: str
    parent_id: str = ""


@transaction.atomic
def observe_departments(enterprise_id: int, seen: Sequence[DepartmentSeen]) -> dict[str, int]:
    """Create and correct departments; none is removed. A parent that is not known is left out, and
    so is one that would close a loop. Returns ``seen``, ``added`` and ``changed``."""
    # every department of the enterprise, in one order: two moves at once could close a loop
    tree = Department.objects.filter(enterprise=enterprise_id)
    rows = list(tree.select_for_update(no_key=True).order_by("pk"))
    known = {row.external_id: row for row in rows if row.external_id}
    told = {each.external_id: each for each in seen if each.external_id}
    added = _create(enterprise_id, [each for key, each in told.items() if key not in known])
    known.update({row.external_id: row for row in added})
    parents = _parents([*rows, *added], known, told)
    new = {row.pk for row in added}
    changed = 0
    for external_id, each in told.items():
        row = known[external_id]
        changed += _correct(row, each.name, parents, is_new=row.pk in new)
    for row in added:
        record_audit(None, verb="create_department", subject=row, after=snapshot(row, FIELDS))
    return {"seen": len(told), "added": len(added), "changed": changed}


def _create(enterprise_id: int, unknown: Sequence[DepartmentSeen]) -> list[Department]:
    return Department.objects.bulk_create(
        Department(enterprise_id=enterprise_id, external_id=each.external_id, name=_named(each))
        for each in unknown
    )


def _named(each: DepartmentSeen) -> str:
    return (each.name or each.external_id)[:120]


def _parents(
    rows: Sequence[Department],
    known: Mapping[str, Department],
    told: Mapping[str, DepartmentSeen],
) -> dict[int, int | None]:
    """Whose parent is who once all of ``told`` is done."""
    parents = {row.pk: row.parent_id for row in rows}
    for external_id, each in told.items():
        if each.parent_id in known:
            parents[known[external_id].pk] = known[each.parent_id].pk
    for pk in list(parents):
        if _is_in_loop(pk, parents):
            parents[pk] = None
    return parents


def _is_in_loop(pk: int, parents: Mapping[int, int | None]) -> bool:
    passed: set[int] = set()
    above = parents[pk]
    while above is not None and above not in passed:
        if above == pk:
            return True
        passed.add(above)
        above = parents.get(above)
    return False


def _correct(
    row: Department, name: str, parents: Mapping[int, int | None], *, is_new: bool
) -> bool:
    """Whether something had to be changed in a department that we had."""
    before = snapshot(row, FIELDS)
    name = name[:120] or row.name
    if (row.name, row.parent_id) == (name, parents[row.pk]):
        return False
    row.name, row.parent_id = name, parents[row.pk]
    row.save(update_fields=["name", "parent"])
    if is_new:
        return False
    record_audit(
        None, verb="edit_department", subject=row, before=before, after=snapshot(row, FIELDS)
    )
    return True


@transaction.atomic
def forget_department(enterprise_id: int, external_id: str) -> bool:
    """The platform has deleted a department: so do we, unless something hangs on it here."""
    rows = Department.objects.filter(enterprise=enterprise_id, external_id=external_id)
    department = rows.select_for_update().first()
    if department is None or department.staff.exists() or department.children.exists():
        return False
    record_audit(
        None, verb="delete_department", subject=department, before=snapshot(department, FIELDS)
    )
    department.delete()
    return True
