"""How much comes in at the doors for events, and what is said when it is too much."""

from __future__ import annotations

import time
from typing import Any, Final

from django.core.cache import cache
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from scrm.accounts.api.permissions import acting_user
from scrm.shared.api.problems import Unavailable
from scrm.shared.rate_limits import CACHE_FAILURES

REQUESTS_A_MINUTE: Final = 60_000  # of one user; a limit against a loop gone wild


class IntakeThrottle(BaseThrottle):
    """Requests of each user by the minute, counted with one call to the cache; the usual throttle
    moves a list of all requests of the minute there and back each time."""

    def allow_request(self, request: Request, view: Any) -> bool:
        minute = int(time.time() // 60)
        key = f"intake:{acting_user(request).pk}:{minute}"
        try:
            count = cache.incr(key)
        except ValueError:
            cache.add(key, 1, timeout=120)
            count = 1
        except CACHE_FAILURES:
            return True
        return count <= REQUESTS_A_MINUTE

    def wait(self) -> float:
        return 60 - time.time() % 60


class TooMuchWaits(Unavailable):
    default_detail = _("等待写入的活跃太多，请 5 秒后再试，或改用批量接口。")
    default_code = "too_much_waits"
    wait = 5
