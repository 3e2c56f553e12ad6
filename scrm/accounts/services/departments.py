from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from scrm.accounts.errors import DepartmentInUse, DepartmentWouldLoop, NameTaken
from scrm.accounts.models import Department, User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.errors import refusing

FIELDS = ("name", "parent", "external_id")


@transaction.atomic
def create_department(
    *, actor: User, name: str, parent: Department | None = None, external_id: str = ""
) -> Department:
    if parent is not None:
        parent = Department.objects.visible_to(actor).get(pk=parent.pk)
    with refusing(id_taken(external_id), constraint="department_external_id_is_unique"):
        department = Department.objects.create(
            enterprise_id=actor.enterprise_id, name=name, parent=parent, external_id=external_id
        )
    record_audit(
        actor, verb="create_department", subject=department, after=snapshot(department, FIELDS)
    )
    return department


@transaction.atomic
def edit_department(department_id: int, *, actor: User, **changes: object) -> Department:
    """Change ``name``, ``parent`` or ``external_id``. A department never ends up under itself."""
    # every department of the enterprise, in one order: two moves at once could close a loop
    tree = Department.objects.visible_to(actor).select_for_update(no_key=True).order_by("pk")
    departments = {department.pk: department for department in tree}
    department = departments.get(department_id)
    if department is None:
        raise Department.DoesNotExist
    before = snapshot(department, FIELDS)
    for name in FIELDS:
        if name in changes:
            setattr(department, name, changes[name])
    above = department.parent_id
    if above is not None and above not in departments:
        raise Department.DoesNotExist
    while above is not None:
        if above == department.pk:
            raise DepartmentWouldLoop(_("部门不能放到自己或自己的下级部门之下。"))
        above = departments[above].parent_id
    with refusing(id_taken(department.external_id), constraint="department_external_id_is_unique"):
        department.save(update_fields=FIELDS)
    record_audit(
        actor,
        verb="edit_department",
        subject=department,
        before=before,
        after=snapshot(department, FIELDS),
    )
    return department


@transaction.atomic
def delete_department(department_id: int, *, actor: User) -> None:
    """Only an empty department goes; history never hangs on one."""
    department = Department.objects.visible_to(actor).select_for_update().get(pk=department_id)
    if department.staff.exists() or department.children.exists():
        raise DepartmentInUse(
            _("“%(name)s”还有员工或下级部门，先移走再删除。") % {"name": department}
        )
    record_audit(
        actor, verb="delete_department", subject=department, before=snapshot(department, FIELDS)
    )
    department.delete()


def id_taken(external_id: object) -> NameTaken:
    return NameTaken(_("平台部门编号“%(id)s”已被使用。") % {"id": external_id})
