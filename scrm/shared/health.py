"""/healthz: this process answers. /readyz: it can do its work; 503 says what is missing."""

from __future__ import annotations

import logging
from http import HTTPStatus

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from scrm.shared.request_id import current_request_id

logger = logging.getLogger(__name__)


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    missing = [name for name, ready in CHECKS.items() if not ready()]
    if not missing:
        return JsonResponse({"status": "ready"})
    return JsonResponse(
        {
            "type": "about:blank",
            "title": HTTPStatus.SERVICE_UNAVAILABLE.phrase,
            "status": HTTPStatus.SERVICE_UNAVAILABLE.value,
            "code": "not_ready",
            "detail": gettext("尚未就绪：%(missing)s") % {"missing": ", ".join(missing)},
            "errors": [{"code": name, "detail": name, "attr": None} for name in missing],
            "request_id": current_request_id(),
        },
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        content_type="application/problem+json",
        json_dumps_params={"ensure_ascii": False},
    )


def database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        logger.warning("The database does not answer.")
        return False
    return True


def redis_answers() -> bool:
    try:
        cache.get("readyz")
    except (RedisError, OSError):
        logger.warning("Redis does not answer.")
        return False
    return True


def migrations_are_applied() -> bool:
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return False


CHECKS = {
    "database": database_answers,
    "redis": redis_answers,
    "migrations": migrations_are_applied,
}
