"""The directory, read in full and followed by events."""

import pytest

from scrm.accounts.models import AuditEvent, Department, OperatorTask, Staff, StaffPlatformStatus
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.services.users import create_user_account
from scrm.wecom.models import ReadRequest, SyncRun
from scrm.wecom.rules.status import SyncScope, SyncState
from scrm.wecom.services.advancing import advance_sync
from scrm.wecom.services.processing import process_waiting
from scrm.wecom.services.rereading import read_waiting
from scrm.wecom.services.syncing import start_sync
from tests.accounts.factories import DepartmentFactory, StaffFactory, UserFactory
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db


def sync_directory(simulated) -> SyncRun:
    run = start_sync(simulated.connection.pk, scope=SyncScope.DIRECTORY, actor=None)
    assert not advance_sync(run.pk)
    run.refresh_from_db()
    return run


def hear(simulated, *, settle=True):
    """Take the events that the company has for us, and read what they ask for."""
    simulated.deliver()
    process_waiting()
    ReadRequest.objects.update(due_at="2020-01-01T00:00Z", ripe_at="2020-01-01T00:00Z")
    read_waiting()


def company_of_three():
    simulated = simulated_corp()
    team = simulated.corp.add_department("社群运营部")
    simulated.corp.add_staff("lin.qiao", "林乔", team)
    simulated.corp.add_staff("zhao.min", "赵敏", [team, 1])
    simulated.corp.add_staff("chen.yu", "陈宇", follows_customers=False)
    simulated.corp.outbox.take()
    return simulated


def test_a_sync_brings_departments_and_staff():
    simulated = company_of_three()

    run = sync_directory(simulated)

    assert run.state == SyncState.COMPLETED, run.reason
    team = Department.objects.get(name="社群运营部")
    assert team.parent.external_id == "1"
    lin = Staff.objects.get(external_id="lin.qiao")
    assert (lin.name, lin.department, lin.platform_status) == ("林乔", team, "active")
    assert lin.can_use_customer_group
    assert not Staff.objects.get(external_id="chen.yu").can_use_customer_group
    assert run.counts["directory"]["seen"] == run.counts["directory"]["expected"] == 3
    assert run.counts["directory"]["added"] == 3
    assert run.drift == {}


def test_a_second_sync_changes_nothing_and_audits_nothing():
    simulated = company_of_three()
    sync_directory(simulated)
    audited = AuditEvent.objects.count()

    run = sync_directory(simulated)

    assert run.drift == {}
    assert AuditEvent.objects.count() == audited
    assert Staff.objects.count() == 3


def test_what_changed_without_an_event_is_drift():
    simulated = company_of_three()
    sync_directory(simulated)
    simulated.corp.edit_staff("lin.qiao", name="林乔乔", status=2)
    simulated.corp.outbox.take()  # lost

    run = sync_directory(simulated)

    lin = Staff.objects.get(external_id="lin.qiao")
    assert (lin.name, lin.platform_status) == ("林乔乔", StaffPlatformStatus.DISABLED)
    assert run.drift == {"directory": {"changed": 1}}


def test_a_colleague_known_before_is_found_whatever_the_case_of_the_id():
    simulated = company_of_three()
    known = StaffFactory(enterprise=simulated.enterprise, external_id="Lin.Qiao", name="小林")

    sync_directory(simulated)

    known.refresh_from_db()
    assert known.name == "林乔"
    assert not Staff.objects.filter(external_id="lin.qiao").exists()


def test_somebody_missing_from_the_answers_is_asked_about_and_keeps_access():
    simulated = company_of_three()
    sync_directory(simulated)
    lin = Staff.objects.get(external_id="lin.qiao")
    simulated.corp.apps[0].users = ["zhao.min", "chen.yu"]  # people, without their departments
    simulated.corp.apps[0].departments = []

    run = sync_directory(simulated)

    lin.refresh_from_db()
    assert lin.is_active
    assert lin.platform_status == StaffPlatformStatus.MISSING
    task = OperatorTask.objects.get(kind=TaskKind.STAFF_MISSING)
    assert task.object_id == lin.pk
    assert run.counts["directory"]["missing"] == 1

    simulated.corp.apps[0].users = simulated.corp.apps[0].departments = None
    sync_directory(simulated)

    task.refresh_from_db()
    lin.refresh_from_db()
    assert task.status == TaskStatus.DONE
    assert lin.platform_status == StaffPlatformStatus.ACTIVE


def test_a_mass_disappearance_is_not_believed():
    simulated = company_of_three()
    for n in range(21):
        StaffFactory(enterprise=simulated.enterprise, external_id=f"gone-{n}")

    run = sync_directory(simulated)

    assert run.state == SyncState.PARTIAL
    assert "21" in run.reason
    assert not Staff.objects.filter(platform_status=StaffPlatformStatus.MISSING).exists()
    assert not OperatorTask.objects.exists()


def test_departments_with_unknown_parents_and_those_of_our_own_are_kept():
    simulated = company_of_three()
    ours = DepartmentFactory(enterprise=simulated.enterprise, name="自建部门")
    simulated.corp.departments[7] = type(simulated.corp.departments[1])(7, "孤儿", 999, 1)

    sync_directory(simulated)

    assert Department.objects.get(external_id="7").parent is None
    assert Department.objects.filter(pk=ours.pk).exists()


# --- Events ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_reduced", [False, True])
def test_events_bring_staff_and_departments(is_reduced):
    simulated = company_of_three()
    sync_directory(simulated)
    simulated.corp.faults.reduced_directory = is_reduced
    shop = simulated.corp.add_department("门店")
    simulated.corp.add_staff("wang.fei", "王飞", shop)
    simulated.corp.edit_staff("lin.qiao", departments=[shop])
    simulated.corp.edit_department(2, name="社群部")

    hear(simulated)

    wang = Staff.objects.get(external_id="wang.fei")
    assert (wang.name, wang.platform_status) == ("王飞", StaffPlatformStatus.ACTIVE)
    assert Staff.objects.get(external_id="lin.qiao").department.name == "门店"
    assert Department.objects.get(external_id="2").name == "社群部"


def test_who_left_loses_their_login_at_once():
    simulated = company_of_three()
    sync_directory(simulated)
    lin = Staff.objects.get(external_id="lin.qiao")
    UserFactory(enterprise=simulated.enterprise)
    login = create_user_account(
        actor=None, username="lin", enterprise=simulated.enterprise, staff=lin
    )
    simulated.corp.resign_staff("lin.qiao")

    simulated.deliver()
    process_waiting()

    lin.refresh_from_db()
    login.refresh_from_db()
    assert (lin.is_active, login.is_active) == (False, False)
    assert lin.platform_status == StaffPlatformStatus.LEFT
    hear(simulated)  # the reading finds nobody, and nobody is asked
    assert not OperatorTask.objects.exists()


def test_the_last_administrator_keeps_the_login_and_somebody_is_asked():
    simulated = company_of_three()
    sync_directory(simulated)
    lin = Staff.objects.get(external_id="lin.qiao")
    login = UserFactory(enterprise=simulated.enterprise, staff=lin)
    simulated.corp.resign_staff("lin.qiao")

    hear(simulated)

    login.refresh_from_db()
    assert login.is_active
    assert OperatorTask.objects.get().kind == TaskKind.STAFF_MISSING


def test_another_userid_is_the_same_colleague():
    simulated = company_of_three()
    sync_directory(simulated)
    lin = Staff.objects.get(external_id="lin.qiao")
    simulated.corp.rename_staff("lin.qiao", "lin.qiao2")

    hear(simulated)

    lin.refresh_from_db()
    assert lin.external_id == "lin.qiao2"
    assert Staff.objects.count() == 3


def test_a_deleted_department_goes_only_if_nothing_hangs_on_it():
    simulated = company_of_three()
    empty = simulated.corp.add_department("空部门")
    kept = simulated.corp.add_department("有人的部门")
    sync_directory(simulated)
    simulated.corp.outbox.take()
    StaffFactory(
        enterprise=simulated.enterprise, department=Department.objects.get(external_id=str(kept))
    )
    simulated.corp.remove_department(empty)
    simulated.corp.remove_department(kept)

    hear(simulated)

    assert not Department.objects.filter(external_id=str(empty)).exists()
    assert Department.objects.filter(external_id=str(kept)).exists()
