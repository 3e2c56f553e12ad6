import pytest

from scrm.accounts.errors import (
    DepartmentInUse,
    DepartmentWouldLoop,
    NameTaken,
    StaffIsInactive,
    UnknownTimeZone,
)
from scrm.accounts.models import AuditEvent, Department, Enterprise, OperatorTask, Staff
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.rules.roles import Role
from scrm.accounts.services.departments import (
    create_department,
    delete_department,
    edit_department,
)
from scrm.accounts.services.enterprises import edit_enterprise
from scrm.accounts.services.operator_tasks import open_task
from scrm.accounts.services.staff import (
    create_staff,
    deactivate_staff,
    edit_staff,
    reactivate_staff,
)
from scrm.accounts.signals import staff_deactivated, staff_reactivated
from tests.accounts.factories import (
    ApiKeyFactory,
    DepartmentFactory,
    EnterpriseFactory,
    OperatorTaskFactory,
    StaffFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss():
    return UserFactory()


@pytest.fixture
def heard():
    facts = []

    def hear(staff_id, actor_id, **_rest):
        facts.append((staff_id, actor_id))

    staff_deactivated.connect(hear)
    yield facts
    staff_deactivated.disconnect(hear)


def test_create_department_and_staff_belong_to_the_actors_enterprise(boss):
    parent = create_department(actor=boss, name="总部")
    department = create_department(actor=boss, name="华东", parent=parent, external_id="2")
    staff = create_staff(actor=boss, name="小王", department=department, external_id="wang")

    assert {parent.enterprise, department.enterprise, staff.enterprise} == {boss.enterprise}
    assert AuditEvent.objects.count() == 3


def test_platform_ids_are_unique_in_an_enterprise_only(boss):
    DepartmentFactory(external_id="7")
    StaffFactory(external_id="wang")
    create_department(actor=boss, name="一", external_id="7")
    create_staff(actor=boss, name="王", external_id="wang")

    with pytest.raises(NameTaken):
        create_department(actor=boss, name="二", external_id="7")
    with pytest.raises(NameTaken):
        create_staff(actor=boss, name="王二", external_id="wang")


def test_rows_of_another_enterprise_do_not_exist(boss):
    department, staff = DepartmentFactory(), StaffFactory()
    own = DepartmentFactory(enterprise=boss.enterprise)
    colleague = StaffFactory(enterprise=boss.enterprise)

    for attempt in (
        lambda: create_department(actor=boss, name="x", parent=department),
        lambda: edit_department(department.pk, actor=boss, name="x"),
        lambda: edit_department(own.pk, actor=boss, parent=department),
        lambda: delete_department(department.pk, actor=boss),
        lambda: create_staff(actor=boss, name="x", department=department),
        lambda: edit_staff(colleague.pk, actor=boss, department=department),
    ):
        with pytest.raises(Department.DoesNotExist):
            attempt()
    for verb in (edit_staff, deactivate_staff, reactivate_staff):
        with pytest.raises(Staff.DoesNotExist):
            verb(staff.pk, actor=boss)
    with pytest.raises(Enterprise.DoesNotExist):
        edit_enterprise(EnterpriseFactory().pk, actor=boss, name="x")


def test_a_department_never_ends_up_under_itself(boss):
    top = DepartmentFactory(enterprise=boss.enterprise)
    middle = DepartmentFactory(enterprise=boss.enterprise, parent=top)
    bottom = DepartmentFactory(enterprise=boss.enterprise, parent=middle)

    for parent in (top, middle, bottom):
        with pytest.raises(DepartmentWouldLoop):
            edit_department(top.pk, actor=boss, parent=parent)
    assert edit_department(bottom.pk, actor=boss, parent=top).parent == top


def test_only_an_empty_department_is_deleted(boss):
    parent = DepartmentFactory(enterprise=boss.enterprise)
    child = DepartmentFactory(enterprise=boss.enterprise, parent=parent)
    staff = StaffFactory(enterprise=boss.enterprise, department=child)

    for department in (parent, child):
        with pytest.raises(DepartmentInUse):
            delete_department(department.pk, actor=boss)
    edit_staff(staff.pk, actor=boss, department=None)
    delete_department(child.pk, actor=boss)

    assert list(Department.objects.all()) == [parent]
    assert AuditEvent.objects.get(verb="delete_department").before["name"] == child.name


def test_the_tree_below_a_colleague_is_his_department_and_everything_under_it(boss):
    top = DepartmentFactory(enterprise=boss.enterprise)
    middle = DepartmentFactory(enterprise=boss.enterprise, parent=top)
    bottom = DepartmentFactory(enterprise=boss.enterprise, parent=middle)
    DepartmentFactory(enterprise=boss.enterprise)
    colleague = StaffFactory(enterprise=boss.enterprise, department=middle)

    assert set(Department.objects.below(colleague)) == {middle, bottom}
    assert not Department.objects.below(StaffFactory()).exists()
    assert not Department.objects.below(None).exists()


def test_deactivate_staff_ends_the_login_and_its_keys_in_one_go(boss, heard):
    staff = StaffFactory(enterprise=boss.enterprise)
    user = UserFactory(enterprise=boss.enterprise, staff=staff, role=Role.OPERATOR)
    key = ApiKeyFactory(user=user)

    deactivate_staff(staff.pk, actor=boss)

    user.refresh_from_db()
    key.refresh_from_db()
    assert (Staff.objects.get().is_active, user.is_active) == (False, False)
    assert key.revoked_at is not None
    assert heard == [(staff.pk, boss.pk)]
    verbs = set(AuditEvent.objects.filter(actor=boss).values_list("verb", flat=True))
    assert {"deactivate_staff", "disable_user"} <= verbs


def test_whoever_leaves_is_asked_for_nothing_any_more(boss):
    staff, other = StaffFactory.create_batch(2, enterprise=boss.enterprise)
    asked = {"enterprise": boss.enterprise, "object_type": "accounts.enterprise"}
    open_ones = [OperatorTaskFactory(assignee=staff, **asked) for _ in range(2)]
    of_other = OperatorTaskFactory(assignee=other, **asked)
    done = OperatorTaskFactory(assignee=staff, status=TaskStatus.DONE, **asked)

    deactivate_staff(staff.pk, actor=boss)

    tasks = dict(OperatorTask.objects.values_list("pk", "assignee"))
    assert [tasks[task.pk] for task in open_ones] == [None, None]
    assert (tasks[of_other.pk], tasks[done.pk]) == (other.pk, staff.pk)
    staff.refresh_from_db()
    later = open_task(TaskKind.MERGE, subject=boss.enterprise, title="合并", assignee=staff)
    assert later.assignee is None
    change = AuditEvent.objects.get(verb="deactivate_staff")
    assert change.after["freed_tasks"] == 2


def test_deactivate_staff_twice_is_refused(boss, heard):
    staff = StaffFactory(enterprise=boss.enterprise, is_active=False)

    with pytest.raises(StaffIsInactive):
        deactivate_staff(staff.pk, actor=boss)
    assert heard == []


def test_somebody_who_is_back_stays_without_a_login(boss):
    staff = StaffFactory(enterprise=boss.enterprise, is_active=False)
    user = UserFactory(enterprise=boss.enterprise, staff=staff, is_active=False)

    reactivate_staff(staff.pk, actor=boss)

    user.refresh_from_db()
    assert (Staff.objects.get().is_active, user.is_active) == (True, False)


def test_that_somebody_is_back_is_told_once(boss):
    staff = StaffFactory(enterprise=boss.enterprise, is_active=False)
    told = []

    def hear(staff_id, actor_id, **_rest):
        told.append((staff_id, actor_id))

    staff_reactivated.connect(hear)
    try:
        for _ in range(2):
            reactivate_staff(staff.pk, actor=boss)
    finally:
        staff_reactivated.disconnect(hear)
    assert told == [(staff.pk, boss.pk)]


def test_edit_enterprise_knows_its_time_zones(boss):
    edit_enterprise(boss.enterprise_id, actor=boss, time_zone="Asia/Urumqi")

    with pytest.raises(UnknownTimeZone):
        edit_enterprise(boss.enterprise_id, actor=boss, time_zone="Asia/Nowhere")
    assert str(Enterprise.objects.get().zone) == "Asia/Urumqi"


def test_an_enterprise_may_profile_whoever_has_not_refused(boss):
    assert boss.enterprise.profiling_needs_consent

    edit_enterprise(boss.enterprise_id, actor=boss, profiling_needs_consent=False)

    assert not Enterprise.objects.get().profiling_needs_consent
    (event,) = AuditEvent.objects.filter(verb="edit_enterprise")
    assert event.before["profiling_needs_consent"]
    assert not event.after["profiling_needs_consent"]
