import threading

import pytest
from django.contrib.auth import get_user
from django.db import connection
from django.test import Client

from scrm.accounts.errors import (
    LastAdministrator,
    NameTaken,
    NotYourself,
    StaffHasLogin,
    StaffIsInactive,
    WeakPassword,
)
from scrm.accounts.models import AuditEvent, Staff, User
from scrm.accounts.rules.roles import Role
from scrm.accounts.services.users import (
    change_role,
    create_user_account,
    disable_user,
    edit_user,
    enable_user,
    set_password,
)
from scrm.shared.errors import DomainError
from tests.accounts.factories import ApiKeyFactory, EnterpriseFactory, StaffFactory, UserFactory

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def boss():
    return UserFactory()


@pytest.fixture
def colleague(boss):
    return UserFactory(enterprise=boss.enterprise, role=Role.OPERATOR)


def events():
    return list(AuditEvent.objects.order_by("pk").values_list("verb", flat=True))


def test_create_user_account_makes_a_login_in_the_actors_enterprise(boss):
    staff = StaffFactory(enterprise=boss.enterprise)

    user = create_user_account(
        actor=boss, username="new", password=PASSWORD, role=Role.OPERATOR, staff=staff
    )

    assert (user.enterprise, user.staff, user.is_staff) == (boss.enterprise, staff, True)
    assert user.check_password(PASSWORD)
    event = AuditEvent.objects.get()
    assert (event.verb, event.actor, event.object_id) == ("create_user_account", boss, user.pk)
    assert event.after["staff"] == {"id": staff.pk, "name": staff.name}
    assert PASSWORD not in str(event.after)


def test_create_user_account_without_a_password_makes_one_for_keys_only(boss):
    user = create_user_account(actor=boss, username="robot")

    assert not user.has_usable_password()
    assert not user.is_staff


def test_the_system_creates_the_first_user_of_an_enterprise():
    enterprise = EnterpriseFactory()

    user = create_user_account(
        actor=None, enterprise=enterprise, username="first", role=Role.ADMINISTRATOR
    )

    assert user.enterprise == enterprise
    assert AuditEvent.objects.get().actor is None


@pytest.mark.parametrize("password", ["short", "password1234", "somebody-new"])
def test_create_user_account_refuses_a_weak_password(boss, password):
    with pytest.raises(WeakPassword):
        create_user_account(actor=boss, username="somebody-new", password=password)


def test_create_user_account_refuses_a_name_that_is_taken_anywhere(boss):
    UserFactory(username="taken")

    with pytest.raises(NameTaken):
        create_user_account(actor=boss, username="taken")
    assert events() == []


def test_one_colleague_has_one_login(boss):
    staff = StaffFactory(enterprise=boss.enterprise)
    UserFactory(enterprise=boss.enterprise, staff=staff)

    with pytest.raises(StaffHasLogin):
        create_user_account(actor=boss, username="second", staff=staff)


def test_a_login_cannot_be_given_to_a_stranger_or_somebody_who_left(boss):
    with pytest.raises(Staff.DoesNotExist):
        create_user_account(actor=boss, username="new", staff=StaffFactory())
    former = StaffFactory(enterprise=boss.enterprise, is_active=False)
    with pytest.raises(StaffIsInactive):
        create_user_account(actor=boss, username="new", staff=former)


def test_edit_user_changes_what_is_named_and_records_both_sides(boss, colleague):
    edit_user(colleague.pk, actor=boss, email="a@example.com")

    colleague.refresh_from_db()
    assert colleague.email == "a@example.com"
    event = AuditEvent.objects.get()
    assert (event.before["email"], event.after["email"]) == ("", "a@example.com")


def test_edit_user_may_keep_the_colleague_it_has(boss):
    staff = StaffFactory(enterprise=boss.enterprise)
    user = UserFactory(enterprise=boss.enterprise, staff=staff)

    assert edit_user(user.pk, actor=boss, staff=staff, email="b@example.com").staff == staff


def test_change_role_counts_from_the_next_request(boss, colleague):
    change_role(colleague.pk, actor=boss, role=Role.ANALYST, data_scope="own_communities")

    colleague.refresh_from_db()
    assert (colleague.role, colleague.data_scope) == ("analyst", "own_communities")
    assert AuditEvent.objects.get().before == {"role": "operator", "data_scope": "all"}


def test_nobody_changes_or_disables_himself(boss):
    UserFactory(enterprise=boss.enterprise)

    with pytest.raises(NotYourself):
        change_role(boss.pk, actor=boss, role=Role.READ_ONLY)
    with pytest.raises(NotYourself):
        disable_user(boss.pk, actor=boss)


def test_disable_user_revokes_every_key_and_enable_user_revives_none(boss, colleague):
    key = ApiKeyFactory(user=colleague)

    disable_user(colleague.pk, actor=boss)
    enable_user(colleague.pk, actor=boss)

    key.refresh_from_db()
    colleague.refresh_from_db()
    assert key.revoked_at is not None
    assert colleague.is_active
    assert events() == ["disable_user", "enable_user"]


def test_a_session_that_was_open_does_not_come_back_with_the_login(boss, colleague, client):
    client.force_login(colleague)
    other = Client()
    other.force_login(boss)
    assert get_user(client).is_authenticated

    disable_user(colleague.pk, actor=boss)
    assert not get_user(client).is_authenticated
    enable_user(colleague.pk, actor=boss)

    assert not get_user(client).is_authenticated
    assert get_user(other).is_authenticated
    colleague.refresh_from_db()
    client.force_login(colleague)
    assert get_user(client).is_authenticated


def test_enable_user_waits_for_the_colleague_to_be_back(boss):
    staff = StaffFactory(enterprise=boss.enterprise, is_active=False)
    user = UserFactory(enterprise=boss.enterprise, staff=staff, is_active=False)

    with pytest.raises(StaffIsInactive):
        enable_user(user.pk, actor=boss)


def test_the_last_active_administrator_stays(boss):
    UserFactory(enterprise=boss.enterprise, is_active=False)
    UserFactory()  # an administrator of somebody else
    robot = UserFactory(enterprise=boss.enterprise, role=Role.OPERATOR)

    for attempt in (disable_user, lambda pk, actor: change_role(pk, actor=actor, role="analyst")):
        with pytest.raises(LastAdministrator):
            attempt(boss.pk, actor=robot)


def test_set_password_replaces_the_password_and_never_records_it(boss, colleague):
    set_password(colleague.pk, actor=boss, password=PASSWORD)

    colleague.refresh_from_db()
    assert colleague.check_password(PASSWORD)
    assert AuditEvent.objects.get().after == {"password": "***"}


@pytest.mark.parametrize(
    "verb",
    [
        lambda pk, actor: edit_user(pk, actor=actor, email="x@example.com"),
        lambda pk, actor: change_role(pk, actor=actor, role=Role.ANALYST),
        lambda pk, actor: set_password(pk, actor=actor, password=PASSWORD),
        lambda pk, actor: disable_user(pk, actor=actor),
        lambda pk, actor: enable_user(pk, actor=actor),
    ],
)
def test_a_user_of_another_enterprise_does_not_exist(boss, verb):
    stranger = UserFactory(role=Role.OPERATOR)

    with pytest.raises(User.DoesNotExist):
        verb(stranger.pk, boss)
    assert events() == []


@pytest.mark.django_db(transaction=True)
def test_two_administrators_who_disable_each_other_leave_one():
    one = UserFactory()
    other = UserFactory(enterprise=one.enterprise)
    refusals, start = [], threading.Barrier(2)

    def disable(subject, actor):
        start.wait(timeout=10)
        try:
            disable_user(subject.pk, actor=actor)
        except DomainError as refusal:
            refusals.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=disable, args=pair) for pair in ((one, other), (other, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    assert refusals == ["last_administrator"]
    assert User.objects.filter(is_active=True).count() == 1
