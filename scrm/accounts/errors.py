"""What accounts refuses to do."""

from scrm.shared.errors import DomainError, InvalidInput


class DepartmentInUse(DomainError):
    code = "department_in_use"


class DepartmentWouldLoop(DomainError):
    code = "department_would_loop"


class NameTaken(DomainError):
    code = "name_taken"


class StaffIsInactive(DomainError):
    code = "staff_is_inactive"


class StaffHasLogin(DomainError):
    code = "staff_has_login"


class LastAdministrator(DomainError):
    code = "last_administrator"


class NotYourself(DomainError):
    code = "not_yourself"


class UserIsDisabled(DomainError):
    code = "user_is_disabled"


class WeakPassword(InvalidInput):
    code = "weak_password"
    field = "password"


class ScopeNotHeld(DomainError):
    code = "scope_not_held"


class ExpiryInThePast(InvalidInput):
    code = "expiry_in_the_past"
    field = "expires_at"


class KeyIsRevoked(DomainError):
    code = "key_is_revoked"


class UnknownTimeZone(InvalidInput):
    code = "unknown_time_zone"
    field = "time_zone"


class TaskIsClosed(DomainError):
    code = "task_is_closed"


class TaskReasonMissing(InvalidInput):
    code = "task_reason_missing"
    field = "reason"


class BelongsElsewhere(DomainError):
    """A colleague of another enterprise was named."""

    code = "belongs_elsewhere"
