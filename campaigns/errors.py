"""What campaigns refuses to do."""

from scrm.shared.errors import DomainError, InvalidInput


class BadContent(InvalidInput):
    """A text that cannot be sent: empty, too long, with unknown variables or broken braces."""

    code = "bad_content"
    field = "body"


class UnknownVariable(BadContent):
    code = "unknown_variable"


class BelongsElsewhere(DomainError):
    """A row of another enterprise was named."""

    code = "belongs_elsewhere"


class CannotEdit(DomainError):
    code = "cannot_edit"


class CannotMove(DomainError):
    """The broadcast is not in a state from which this is possible."""

    code = "cannot_move"


class CannotApprove(DomainError):
    """Somebody else has to approve."""

    code = "cannot_approve"


class TimeIsPast(InvalidInput):
    code = "time_is_past"
    field = "scheduled_at"


class AudienceEmpty(DomainError):
    code = "audience_empty"


class NoCommunity(DomainError):
    code = "no_community"


class CriterionNeedsMembers(InvalidInput):
    code = "criterion_needs_members"
    field = "criterion"


class ChannelIsOff(DomainError):
    code = "channel_is_off"


class ChannelCannotSend(InvalidInput):
    """Through this kind of channel nothing goes out by itself."""

    code = "channel_cannot_send"
    field = "channel_account"


class WelcomeTaken(DomainError):
    code = "welcome_taken"


class CannotMoveAlert(DomainError):
    """The alert is closed, or already where it should be moved."""

    code = "cannot_move_alert"


class ReasonMissing(InvalidInput):
    code = "reason_missing"
    field = "reason"


class CodeTaken(DomainError):
    code = "code_taken"


class SegmentInUse(DomainError):
    """What was approved by its criterion is on its way; ``details`` names the broadcasts."""

    code = "segment_in_use"


class SegmentTooLong(InvalidInput):
    """Something that names the segment would have too many clauses with it written out."""

    code = "too_many_clauses"
    field = "criterion"


class CannotResume(DomainError):
    """A halted broadcast goes on only by the word of somebody who approves broadcasts."""

    code = "cannot_resume"


class NothingToRetry(DomainError):
    code = "nothing_to_retry"
