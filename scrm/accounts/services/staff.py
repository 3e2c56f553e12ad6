from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from scrm.accounts.errors import NameTaken, StaffIsInactive
from scrm.accounts.models import Department, Staff, User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.accounts.services.operator_tasks import free_tasks_of
from scrm.accounts.services.users import lock_accounts_of, remove_access
from scrm.accounts.signals import staff_deactivated, staff_reactivated
from scrm.shared.errors import refusing

FIELDS = ("name", "department", "external_id")


@transaction.atomic
def create_staff(
    *, actor: User, name: str, department: Department | None = None, external_id: str = ""
) -> Staff:
    if department is not None:
        department = Department.objects.visible_to(actor).get(pk=department.pk)
    with refusing(id_taken(external_id), constraint="staff_external_id_is_unique"):
        staff = Staff.objects.create(
            enterprise_id=actor.enterprise_id,
            name=name,
            department=department,
            external_id=external_id,
        )
    record_audit(actor, verb="create_staff", subject=staff, after=snapshot(staff, FIELDS))
    return staff


@transaction.atomic
def edit_staff(staff_id: int, *, actor: User, **changes: object) -> Staff:
    """Change ``name``, ``department`` or ``external_id``."""
    staff = Staff.objects.visible_to(actor).select_for_update(no_key=True).get(pk=staff_id)
    before = snapshot(staff, FIELDS)
    for name in FIELDS:
        if name in changes:
            setattr(staff, name, changes[name])
    if staff.department_id is not None:
        Department.objects.visible_to(actor).get(pk=staff.department_id)
    with refusing(id_taken(staff.external_id), constraint="staff_external_id_is_unique"):
        staff.save(update_fields=FIELDS)
    after = snapshot(staff, FIELDS)
    record_audit(actor, verb="edit_staff", subject=staff, before=before, after=after)
    return staff


@transaction.atomic
def deactivate_staff(staff_id: int, *, actor: User | None) -> Staff:
    """Somebody has left. Their login, its sessions and its keys stop working in the same
    transaction, and what they were asked to do is for others.

    Without an actor the directory of the platform says so.
    """
    colleagues = Staff.objects.all() if actor is None else Staff.objects.visible_to(actor)
    lock_accounts_of(colleagues.values_list("enterprise_id", flat=True).get(pk=staff_id))
    staff = colleagues.select_for_update(no_key=True).get(pk=staff_id)
    if not staff.is_active:
        raise StaffIsInactive(_("“%(staff)s”已经离职。") % {"staff": staff})
    user = User.objects.filter(staff=staff).first()
    if user is not None and user.is_active:
        remove_access(user.pk, actor=actor)
    staff.is_active = False
    staff.save(update_fields=["is_active"])
    record_audit(
        actor,
        verb="deactivate_staff",
        subject=staff,
        before={"is_active": True},
        after={"is_active": False, "user": user, "freed_tasks": free_tasks_of(staff)},
    )
    staff_deactivated.send(sender=Staff, staff_id=staff.pk, actor_id=actor and actor.pk)
    return staff


@transaction.atomic
def reactivate_staff(staff_id: int, *, actor: User | None) -> Staff:
    """Somebody is back. The login stays disabled until it is enabled on purpose."""
    colleagues = Staff.objects.all() if actor is None else Staff.objects.visible_to(actor)
    lock_accounts_of(colleagues.values_list("enterprise_id", flat=True).get(pk=staff_id))
    staff = colleagues.select_for_update(no_key=True).get(pk=staff_id)
    if staff.is_active:
        return staff
    staff.is_active = True
    staff.save(update_fields=["is_active"])
    record_audit(
        actor,
        verb="reactivate_staff",
        subject=staff,
        before={"is_active": False},
        after={"is_active": True},
    )
    staff_reactivated.send(sender=Staff, staff_id=staff.pk, actor_id=actor and actor.pk)
    return staff


def id_taken(external_id: object) -> NameTaken:
    return NameTaken(_("平台账号“%(id)s”已属于另一位员工。") % {"id": external_id})
