"""How fast messages may go through a channel account: one bucket for all workers, in the database.

The generic cell rate algorithm (ITU-T I.371, annex A) keeps one instant per account.
"""

from __future__ import annotations

from datetime import timedelta

from scrm.wecom.models import ChannelAccount


def take_tokens(account: ChannelAccount, count: int) -> timedelta:
    """Take tokens for so many messages; nothing to wait (zero), or how long until they are there.

    Nothing is taken when the answer is to wait.
    """
    raise NotImplementedError
