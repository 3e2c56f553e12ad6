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


class TierNeedsCriterion(InvalidInput):
    code = "tier_needs_criterion"
    field = "criterion"


class RankTaken(DomainError):
    code = "rank_taken"


class ChatIsOccupied(DomainError):
    code = "chat_is_occupied"


class ChatIsDissolved(DomainError):
    code = "chat_is_dissolved"


class ChatTaken(DomainError):
    """Another community has this chat, or another row has its platform number."""

    code = "chat_taken"


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
