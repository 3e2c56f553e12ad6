"""What communities refuses to do."""

from scrm.shared.errors import DomainError, InvalidInput


class CodeTaken(DomainError):
    code = "code_taken"


class NameTaken(DomainError):
    code = "name_taken"


class BelongsElsewhere(DomainError):
    """A row of another enterprise was named."""

    code = "belongs_elsewhere"


class WouldLoop(DomainError):
    code = "would_loop"


class TooDeep(DomainError):
    code = "too_deep"


class CannotMove(DomainError):
    code = "cannot_move"


class NotReady(DomainError):
    """``details`` names what is missing."""

    code = "community_not_ready"


class CommunityIsOver(DomainError):
    code = "community_is_over"


class PolicyNeedsCriterion(InvalidInput):
    code = "policy_needs_criterion"
    field = "criterion"


class ReviewTimeOutOfRange(InvalidInput):
    code = "review_time_out_of_range"
    field = "review_hours"


class IntervalOutOfRange(InvalidInput):
    code = "interval_out_of_range"
    field = "requalify_days"


class TierNeedsCriterion(InvalidInput):
    code = "tier_needs_criterion"
    field = "criterion"


class TierBelowItsNeighbour(InvalidInput):
    """A tier asks less than the one below it. ``details`` names tier, clause and both values."""

    code = "tier_below_its_neighbour"
    field = "criterion"


class TierInUse(DomainError):
    code = "tier_in_use"


class RankTaken(DomainError):
    code = "rank_taken"


class ChatIsOccupied(DomainError):
    code = "chat_is_occupied"


class ChatIsDissolved(DomainError):
    code = "chat_is_dissolved"


class ChatTaken(DomainError):
    """Another community has this chat, or another row has its platform number."""

    code = "chat_taken"


class OwnerIsOnPlatform(DomainError):
    """Who owns a chat that the platform shows is not ours to write down."""

    code = "owner_is_on_platform"


class ViolationIsClosed(DomainError):
    code = "violation_is_closed"


class ViolationNoteMissing(InvalidInput):
    code = "note_missing"
    field = "note"


class CapacityTooSmall(DomainError):
    code = "capacity_too_small"


class JoinWayIsClosed(DomainError):
    code = "join_way_is_closed"


class InvalidRoute(InvalidInput):
    """A chat that a join way cannot lead to."""

    code = "invalid_route"
    field = "routes"


class InvalidJoinUrl(InvalidInput):
    code = "invalid_join_url"
    field = "join_url"


class BadValidity(InvalidInput):
    code = "bad_validity"
    field = "evidence_valid_days"


class RuleNeedsCriterion(InvalidInput):
    code = "rule_needs_criterion"
    field = "criterion"


class RuleTaken(DomainError):
    """A value has one rule."""

    code = "rule_taken"


class CriterionRefersToItself(InvalidInput):
    """Directly, or over segments, tiers and rules; ``details`` may name the chain."""

    code = "criterion_refers_to_itself"
    field = "criterion"


class CriterionTooLong(InvalidInput):
    """With the segments that it names written out, the criterion has too many clauses."""

    code = "too_many_clauses"
    field = "criterion"


class TransferNotPossible(DomainError):
    """Nothing of it can be handed over now. ``details`` counts the reasons."""

    code = "transfer_not_possible"


class ChatInTransfer(DomainError):
    """All that is left of it is being handed over elsewhere."""

    code = "chat_in_transfer"


class ApproverIsAuthor(DomainError):
    """Somebody else has to approve."""

    code = "approver_is_author"


class TransferNotOpen(DomainError):
    """The hand-over is past this step. ``details`` names its status."""

    code = "transfer_not_open"


class PlansAreBusy(DomainError):
    """Plans of an enterprise are made one after the other, and this one has waited too long."""

    code = "plans_are_busy"


class NothingToChange(DomainError):
    """None of the named items is where this could be done to it."""

    code = "no_such_items"


class ReturnTooLate(DomainError):
    """The platform gives chats back only within days of their hand-over."""

    code = "return_too_late"


class ReceiverNotEligible(InvalidInput):
    """The receiver may not take anything over. ``details`` names the reason."""

    code = "receiver_not_eligible"
    field = "receiver"


class TransferReasonMissing(InvalidInput):
    code = "reason_missing"
    field = "reason"


class NothingChosen(InvalidInput):
    code = "nothing_chosen"
    field = "chats"


class PolicyTaken(DomainError):
    """Another policy is in force for the same things."""

    code = "policy_taken"


class PolicyNamesNobody(InvalidInput):
    """It finds its receivers among those it names, and names none that fits."""

    code = "policy_names_nobody"
    field = "receivers"


class CustomersHaveNoCommunity(InvalidInput):
    """A policy for customers that asks for what only a community has."""

    code = "customers_have_no_community"
    field = "selection"


class CaseIsOpen(DomainError):
    """Somebody's case goes on until everything of theirs has an outcome."""

    code = "case_is_open"


class MayNotDeactivate(DomainError):
    """Opening the case of somebody active takes their login away, which not everybody may."""

    code = "may_not_deactivate"


class CaseIsClosed(DomainError):
    """``details`` names its status."""

    code = "case_is_closed"


class CaseIsNotPlanned(DomainError):
    """What is left is still being listed, or there is nothing to decide on."""

    code = "case_is_not_planned"
