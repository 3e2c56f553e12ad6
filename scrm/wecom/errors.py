"""What the channels' own room refuses to do."""

from scrm.shared.errors import DomainError


class ChannelNameTaken(DomainError):
    code = "channel_name_taken"


class UnknownChannelKind(DomainError):
    code = "unknown_channel_kind"


class EndpointMissing(DomainError):
    code = "endpoint_missing"
