"""What campaigns refuses to do."""

from scrm.shared.errors import DomainError


class CannotMoveAlert(DomainError):
    code = "cannot_move_alert"


class ReasonRequired(DomainError):
    code = "reason_required"
