"""What members refuses to do."""

from scrm.shared.errors import DomainError, InvalidInput


class BelongsElsewhere(DomainError):
    """Member and community are of different enterprises."""

    code = "belongs_elsewhere"


class NotOpenForEntry(DomainError):
    code = "not_open_for_entry"


class AlreadyMember(DomainError):
    code = "already_member"


class AlreadyApplied(DomainError):
    """``details`` names the open application."""

    code = "already_applied"


class NotInviteOnly(DomainError):
    code = "not_invite_only"


class CannotDecide(DomainError):
    """The application is in a state from which this decision does not lead anywhere."""

    code = "cannot_decide"


class ReasonMissing(InvalidInput):
    code = "reason_missing"
    field = "reason"


class AlreadyLeft(DomainError):
    code = "already_left"


class ExternalIdTaken(DomainError):
    code = "external_id_taken"


class PhoneTaken(DomainError):
    code = "phone_taken"


class BadSource(InvalidInput):
    """A name that cannot name a source of data."""

    code = "bad_source"
    field = "source"


class NotAPhone(InvalidInput):
    code = "not_a_phone"
    field = "phone"


class UnreadableFile(DomainError):
    """A file that cannot be imported, whatever its rows say."""

    code = "unreadable_file"


class WrongHeader(DomainError):
    """``details`` names the columns that are expected and those that were found."""

    code = "wrong_header"


class ImportRunning(DomainError):
    """The same file is being imported by another process right now."""

    code = "import_running"


class WeakerSource(DomainError):
    """An exclusive axis holds a value from a source that this one may not overrule."""

    code = "weaker_source"


class AlreadyEnded(DomainError):
    code = "already_ended"


class ExpiryIsPast(InvalidInput):
    code = "expiry_is_past"
    field = "expires_at"


class NothingToWithdraw(DomainError):
    """Only what was granted can be withdrawn."""

    code = "nothing_to_withdraw"
