"""Numbers that may be a little old, so that a page does not count them again each time."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def remembered[T](key: str, compute: Callable[[], T], *, seconds: int) -> T:
    """What ``compute`` gave at most so long ago. Without the cache it is counted each time."""
    try:
        found: T | None = cache.get(key)
        if found is None:
            found = compute()
            cache.set(key, found, seconds)
    except (RedisError, OSError):
        logger.warning("The cache does not answer; the desk counts for itself.")
        return compute()
    return found
