"""The channel behind a channel account, by its kind (settings.CHANNELS)."""

from __future__ import annotations

from functools import cache
from typing import cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from campaigns.channels.protocol import Channel

#: What must remain of a lease when a call ends, to write down its results.
RECORDING_MARGIN = 2.0


def channel_for(kind: str) -> Channel:
    try:
        path = settings.CHANNELS[kind]
    except KeyError as error:
        raise ImproperlyConfigured(f"settings.CHANNELS has no channel {kind!r}.") from error
    return _channel(path)


def sending_kinds() -> list[str]:
    """The kinds through which broadcasts can be sent."""
    return [kind for kind in settings.CHANNELS if channel_for(kind).can_send]


def unattended_kinds() -> list[str]:
    """The kinds through which messages reach people without anybody's doing on the platform."""
    return [kind for kind in sending_kinds() if not channel_for(kind).confirms]


def confirming_kinds() -> list[str]:
    """The kinds whose messages wait on the platform for a colleague's word."""
    return [kind for kind in settings.CHANNELS if channel_for(kind).confirms]


def one_at_a_time_kinds() -> list[str]:
    """The kinds of which one sender has one call under way: what became of a call can only be
    told by looking at what that sender has on the platform."""
    channels = {kind: channel_for(kind) for kind in settings.CHANNELS}
    return [kind for kind, one in channels.items() if one.one_sender and not one.honours_key]


@cache
def _channel(path: str) -> Channel:
    channel = cast(Channel, import_string(path)())
    if channel.call_timeout + RECORDING_MARGIN >= settings.LEASE_SECONDS:
        raise ImproperlyConfigured(
            f"{path}: a call of up to {channel.call_timeout} s does not fit into a lease of"
            f" {settings.LEASE_SECONDS} s."
        )
    return channel
