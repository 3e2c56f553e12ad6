"""What the channels' own room refuses to do."""

from scrm.shared.errors import DomainError, InvalidInput


class ChannelNameTaken(DomainError):
    code = "channel_name_taken"


class UnknownChannelKind(InvalidInput):
    code = "unknown_channel_kind"
    field = "kind"


class EndpointMissing(InvalidInput):
    code = "endpoint_missing"
    field = "endpoint"


class InvalidCredential(InvalidInput):
    """``field`` is set per refusal: any value that was copied can be the wrong one."""

    code = "invalid_credential"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field  # type: ignore[misc]  # of this refusal, not of the class


class SimulatorMissing(InvalidInput):
    code = "simulator_missing"
    field = "platform"


class AppAlreadyConnected(DomainError):
    code = "app_already_connected"


class CompanyIsInUse(DomainError):
    code = "company_is_in_use"


class ConnectionIsPaused(DomainError):
    code = "connection_is_paused"


class ConnectionIsNotPaused(DomainError):
    code = "connection_is_not_paused"


class SyncIsRunning(DomainError):
    code = "sync_is_running"


class SyncIsOver(DomainError):
    code = "sync_is_over"


class EventIsNotReplayable(DomainError):
    code = "event_is_not_replayable"


class PayloadIsGone(DomainError):
    code = "payload_is_gone"


class ReadHasNotFailed(DomainError):
    code = "read_has_not_failed"
