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
