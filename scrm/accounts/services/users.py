from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from scrm.accounts.errors import (
    LastAdministrator,
    NameTaken,
    NotYourself,
    StaffHasLogin,
    StaffIsInactive,
    WeakPassword,
)
from scrm.accounts.models import ApiKey, Enterprise, Staff, User
from scrm.accounts.rules.roles import DataScope, Role
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.errors import refusing

DESCRIPTION = ("email", "staff")
POWERS = ("role", "data_scope")


@transaction.atomic
def create_user_account(
    *,
    actor: User | None,
    username: str,
    password: str | None = None,
    email: str = "",
    role: str = Role.READ_ONLY,
    data_scope: str = DataScope.ALL,
    staff: Staff | None = None,
    enterprise: Enterprise | None = None,
) -> User:
    """A login in the actor's enterprise, or for the system (no actor) in ``enterprise``.

    Without a password nobody can sign in with it; it is then only good for API keys.
    """
    home = actor.enterprise if actor is not None else enterprise
    if home is None:
        raise TypeError("A user without an actor needs an enterprise.")
    user = User(
        username=username,
        email=email,
        role=role,
        data_scope=data_scope,
        staff=free_staff(staff, home),
        enterprise=home,
        is_staff=password is not None,
    )
    set_checked_password(user, password)
    with (
        refusing(taken(username), constraint="accounts_user_username_key"),
        refusing(has_login(staff), constraint="accounts_user_staff_id_key"),
    ):
        user.save(force_insert=True)
    after = snapshot(user, ["username", "email", "role", "data_scope", "staff"])
    record_audit(actor, verb="create_user_account", subject=user, after=after)
    return user


@transaction.atomic
def edit_user(user_id: int, *, actor: User, **changes: object) -> User:
    """Change ``email`` or ``staff``."""
    user = locked(user_id, actor)
    before = snapshot(user, DESCRIPTION)
    for name in DESCRIPTION:
        if name in changes:
            setattr(user, name, changes[name])
    if user.staff != before["staff"]:
        user.staff = free_staff(user.staff, actor.enterprise)
    with refusing(has_login(user.staff), constraint="accounts_user_staff_id_key"):
        user.save(update_fields=DESCRIPTION)
    after = snapshot(user, DESCRIPTION)
    record_audit(actor, verb="edit_user", subject=user, before=before, after=after)
    return user


@transaction.atomic
def change_role(user_id: int, *, actor: User, role: str, data_scope: str | None = None) -> User:
    """Give another role or data scope; it counts from the very next request."""
    user = locked(user_id, actor)
    if user == actor:
        raise NotYourself(_("不能改自己的角色，请另一位管理员来改。"))
    if role != Role.ADMINISTRATOR:
        keep_one_administrator(user)
    before = snapshot(user, POWERS)
    user.role = role
    user.data_scope = data_scope or user.data_scope
    user.save(update_fields=POWERS)
    record_audit(
        actor, verb="change_role", subject=user, before=before, after=snapshot(user, POWERS)
    )
    return user


@transaction.atomic
def set_password(user_id: int, *, actor: User, password: str) -> User:
    """A new password; it ends every session that was opened with the old one."""
    user = locked(user_id, actor)
    set_checked_password(user, password)
    user.is_staff = True
    user.save(update_fields=["password", "is_staff"])
    record_audit(actor, verb="set_password", subject=user, after={"password": True})
    return user


def disable_user(user_id: int, *, actor: User) -> User:
    """Nobody signs in with this login any more, its sessions are over and its keys are revoked."""
    return remove_access(user_id, actor=actor)


@transaction.atomic
def remove_access(user_id: int, *, actor: User | None) -> User:
    """Without an actor by the system itself, which has looked whose login it is."""
    user = locked(user_id, actor)
    if user == actor:
        raise NotYourself(_("不能停用自己。"))
    keep_one_administrator(user)
    user.is_active = False
    user.session_epoch += 1
    user.save(update_fields=["is_active", "session_epoch"])
    revoked = ApiKey.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())
    record_audit(
        actor,
        verb="disable_user",
        subject=user,
        before={"is_active": True},
        after={"is_active": False, "revoked_keys": revoked},
    )
    return user


@transaction.atomic
def enable_user(user_id: int, *, actor: User) -> User:
    """The login works again. Its former sessions stay ended, and revoked keys revoked."""
    user = locked(user_id, actor)
    if user.staff is not None and not user.staff.is_active:
        raise StaffIsInactive(_("对应的员工已离职，先恢复员工。"))
    user.is_active = True
    user.save(update_fields=["is_active"])
    record_audit(actor, verb="enable_user", subject=user, after={"is_active": True})
    return user


def locked(user_id: int, actor: User | None) -> User:
    """The user, after everybody else in the enterprise who is changing who may do what.

    These verbs look at other users and at staff; without one lock above them all, two
    administrators removing each other would end in a deadlock or without an administrator.
    """
    users = User.objects.all() if actor is None else User.objects.visible_to(actor)
    lock_accounts_of(users.values_list("enterprise_id", flat=True).get(pk=user_id))
    user: User = users.select_for_update(no_key=True).get(pk=user_id)
    return user


def lock_accounts_of(enterprise_id: int) -> None:
    Enterprise.objects.select_for_update(no_key=True).get(pk=enterprise_id)


def free_staff(staff: Staff | None, home: Enterprise) -> Staff | None:
    """A colleague of this enterprise who still works here."""
    if staff is None:
        return None
    lock_accounts_of(home.pk)
    found = Staff.objects.filter(enterprise=home).select_for_update(no_key=True).get(pk=staff.pk)
    if not found.is_active:
        raise StaffIsInactive(_("“%(staff)s”已经离职。") % {"staff": found})
    return found


def keep_one_administrator(user: User) -> None:
    """Refuse to take away the last active administrator of an enterprise."""
    if user.role != Role.ADMINISTRATOR or not user.is_active:
        return
    administrators = User.objects.filter(
        enterprise_id=user.enterprise_id, role=Role.ADMINISTRATOR, is_active=True
    )
    if not administrators.exclude(pk=user.pk).exists():
        raise LastAdministrator(_("这是最后一位管理员，先指定另一位。"))


def set_checked_password(user: User, password: str | None) -> None:
    if password is None:
        user.set_unusable_password()
        return
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise WeakPassword("；".join(error.messages), details=error.messages) from error
    user.set_password(password)


def taken(username: str) -> NameTaken:
    return NameTaken(_("用户名“%(name)s”已被使用。") % {"name": username})


def has_login(staff: Staff | None) -> StaffHasLogin:
    return StaffHasLogin(_("“%(staff)s”已经有登录账号。") % {"staff": staff})
