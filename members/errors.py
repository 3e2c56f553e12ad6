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


class MemberIsBlocked(DomainError):
    code = "member_is_blocked"


class AlreadyBlocked(DomainError):
    code = "already_blocked"


class AlreadyUnblocked(DomainError):
    code = "already_unblocked"


class BlockTooWide(InvalidInput):
    """Somebody who sees only some communities cannot block everywhere."""

    code = "block_too_wide"
    field = "community"


class BlockIsOver(InvalidInput):
    """A block that would end before it begins."""

    code = "block_is_over"
    field = "expires_at"


class ClaimedByAnother(DomainError):
    """Somebody else is reviewing the application; ``details`` names who, and until when."""

    code = "claimed_by_another"


class NothingToClaim(DomainError):
    """No application that waits for review is free."""

    code = "nothing_to_claim"


class NotYourDecision(DomainError):
    code = "not_your_decision"


class TooLateToUndo(DomainError):
    code = "too_late_to_undo"


class ChatWithoutCommunity(DomainError):
    code = "chat_without_community"


class InTheFuture(InvalidInput):
    code = "in_the_future"
    field = "joined_at"


class TierIsLocked(DomainError):
    code = "tier_is_locked"


class TierIsNotLocked(DomainError):
    code = "tier_is_not_locked"


class ReasonMissing(InvalidInput):
    code = "reason_missing"
    field = "reason"


class AlreadyErased(DomainError):
    """Nothing is kept that says who they are, and nothing is to be written down again."""

    code = "already_erased"


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


class FileTooLarge(InvalidInput):
    code = "file_too_large"
    field = "file"


class NotHandedIn(InvalidInput):
    """A kind of file that only a command imports."""

    code = "not_handed_in"
    field = "kind"


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


class CannotSplit(DomainError):
    """The community is in no state to be split."""

    code = "cannot_split"


class AlreadySplitting(DomainError):
    """``details`` names the plan that is under way."""

    code = "already_splitting"


class BadAxes(InvalidInput):
    code = "bad_axes"
    field = "axes"


class BadLevel(InvalidInput):
    code = "bad_level"
    field = "level"


class BadMinimumSize(InvalidInput):
    code = "bad_minimum_size"
    field = "minimum_size"


class TooManyBranches(DomainError):
    code = "too_many_branches"


class CannotChangeSplit(DomainError):
    """The plan is past the point where this can be done; ``details`` has its status."""

    code = "cannot_change_split"


class BranchTooSmall(DomainError):
    """``details`` names each branch, how many it has and how many it needs."""

    code = "branch_too_small"


class NothingChosen(DomainError):
    code = "nothing_chosen"


class NothingToInvite(DomainError):
    code = "nothing_to_invite"


class InvitationIsSettled(DomainError):
    code = "invitation_is_settled"


class BranchNameMissing(InvalidInput):
    code = "branch_name_missing"
    field = "name"


class BadPhoto(InvalidInput):
    """A file that is not taken as evidence. Each reason has a code of its own."""

    code = "bad_photo"
    field = "photo"


class PhotoIsEmpty(BadPhoto):
    code = "photo_empty"


class PhotoTooLarge(BadPhoto):
    """Too many bytes."""

    code = "photo_too_large"


class NotAPhoto(BadPhoto):
    """Neither JPEG nor PNG nor WebP by its content, whatever its name."""

    code = "not_a_photo"


class PhotoIsAnimated(BadPhoto):
    code = "photo_animated"


class TooManyPixels(BadPhoto):
    code = "photo_too_many_pixels"


class PhotoIsDamaged(BadPhoto):
    code = "photo_damaged"


class PhotoCarriesMore(BadPhoto):
    """A page, a script or an archive is hidden in the photo."""

    code = "photo_carries_more"


class EvidenceNotAsked(DomainError):
    """The application asks for no photo of this axis, or not any more."""

    code = "evidence_not_asked"


class TooManyUploads(DomainError):
    code = "too_many_uploads"


class NoConsent(InvalidInput):
    """A photo is kept only with the applicant's consent."""

    code = "no_consent"
    field = "consent"


class GivenByRule(DomainError):
    """What a rule gives, only the rule takes away: tomorrow it would be back."""

    code = "given_by_rule"


class AxisHasManyValues(DomainError):
    """Members with several values stand against making an axis exclusive."""

    code = "axis_has_many_values"


class VerificationOff(DomainError):
    """Nobody set up how one-time codes reach a phone."""

    code = "verification_off"


class CodeNotSent(DomainError):
    """The sender of one-time codes did not take it; trying later may help."""

    code = "code_not_sent"


class WrongCode(InvalidInput):
    code = "wrong_code"
    field = "code"


class CodeIsVoid(DomainError):
    """Too old, used, replaced by a newer one, or guessed at too often."""

    code = "code_is_void"


class PhotoOutOfSight(DomainError):
    """The address of a photo is forged, too old, or of somebody who may not see it any more."""

    code = "photo_out_of_sight"


class CodeTaken(DomainError):
    code = "code_taken"


class CriterionTooCostly(DomainError):
    """Counting took longer than somebody at a screen should wait."""

    code = "criterion_too_costly"


class CannotMoveModel(DomainError):
    """The model is in a state from which this does not lead anywhere."""

    code = "cannot_move_model"


class ActivityRefused(InvalidInput):
    """One event that cannot be taken; its code is that of the reason."""

    field = "non_field_errors"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code  # type: ignore[misc]  # of every refusal its own


class BufferIsFull(Exception):
    """More events wait than there is room for."""
