"""How often somebody may do something, counted in the cache.

A limit's window begins with the first use and lasts ``seconds``; within it ``count`` uses pass.
Who is counted stands in the cache only as a digest.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address

from django.core.cache import cache
from django.http import HttpRequest
from django.utils.translation import gettext as _
from redis.exceptions import RedisError
from rest_framework.throttling import BaseThrottle

logger = logging.getLogger(__name__)

CACHE_FAILURES = (RedisError, OSError)


@dataclass(frozen=True, slots=True)
class Limit:
    name: str
    count: int
    seconds: int


class TooOften(Exception):
    """``retry_after`` is in whole seconds, at least one."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after
        self.message = _("操作太频繁，请 %(time)s后再试。") % {"time": in_words(retry_after)}


class CannotCount(Exception):
    """The cache does not answer, so nobody knows how often it was."""


def use(limit: Limit, who: str) -> None:
    """Count one use. Raises ``TooOften``, or ``CannotCount`` when the cache is down."""
    window = key_of(limit, who)
    now = time.time()
    try:
        began = float(cache.get_or_set(window, now, timeout=limit.seconds) or now)
        key = f"{window}:{began:.6f}"
        cache.add(key, 0, timeout=limit.seconds + 60)
        used = cache.incr(key)
    except CACHE_FAILURES as error:
        logger.warning("The cache does not answer.")
        raise CannotCount from error
    if used > limit.count:
        raise TooOften(max(1, round(began + limit.seconds - now)))


def use_if_counted(limit: Limit, who: str) -> None:
    """``use`` for what must go on while the cache is down."""
    try:
        use(limit, who)
    except CannotCount:
        return


def key_of(limit: Limit, who: str) -> str:
    """Where the cache keeps when the present window began."""
    return "limit:" + hashlib.sha256(f"{limit.name}\0{who}".encode()).hexdigest()[:32]


def client_of(request: HttpRequest) -> str:
    """The address a request came from, behind as many proxies as SCRM_NUM_PROXIES says.

    Of an IPv6 address the first half: whoever has one has all of the second.
    """
    text = BaseThrottle().get_ident(request) or ""  # type: ignore[arg-type]  # reads only META
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return text
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False))


def in_words(seconds: int) -> str:
    if seconds < 100:
        return _("%(count)d 秒") % {"count": seconds}
    return _("%(count)d 分钟") % {"count": -(-seconds // 60)}
