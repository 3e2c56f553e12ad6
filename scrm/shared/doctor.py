"""The checks of the platform itself."""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from urllib.parse import urlsplit

from celery import current_app
from cryptography.fernet import Fernet
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import DurationField, ExpressionWrapper, F, Max, Min, Value
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from scrm.shared.catalogues import uncompiled
from scrm.shared.diagnosis import Finding, check, failed, fine, warning
from scrm.shared.models import Heartbeat

SILENT_AFTER = timedelta(seconds=60)
SKEW_LIMIT = 5.0
LONG_QUEUE = 1000
SPACE_WARNING, SPACE_LIMIT = 2 * 1024**3, 200 * 1024**2
KEY_LENGTH = 50
RESTART = "make up"


@check("database")
def database() -> Finding:
    title = _("数据库")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_setting('TimeZone')")
        version, zone = cursor.fetchone()
    return fine(title, f"PostgreSQL {version} · {connection.settings_dict['NAME']} · {zone}")


@check("redis")
def redis() -> Finding:
    began = time.monotonic()
    cache.set("doctor", "1", 10)
    if cache.get("doctor") != "1":
        return failed("Redis", _("写入后读不到"), fix=_("检查 REDIS_URL 和内存上限"))
    return fine("Redis", f"{(time.monotonic() - began) * 1000:.0f} ms")


@check("clock")
def clock() -> Finding:
    title = _("时钟")
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        skew = abs(float(cursor.fetchone()[0]) - time.time())
    detail = _("与数据库相差 %(seconds).1f 秒") % {"seconds": skew}
    if skew > SKEW_LIMIT:
        return warning(title, detail, fix=_("在应用与数据库服务器上启用 NTP 对时"))
    return fine(title, detail)


@check("migrations")
def migrations() -> Finding:
    title = _("数据库迁移")
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if pending:
        detail = _("还有 %(count)d 个没有执行") % {"count": len(pending)}
        return failed(title, detail, fix="python manage.py migrate")
    return fine(title, _("全部已执行"))


def _silence(kind: str, *, oldest: bool = False) -> timedelta | None:
    age = ExpressionWrapper(Now() - F("beaten_at"), output_field=DurationField())
    beats = Heartbeat.objects.filter(kind=kind, beaten_at__gt=Now() - Value(timedelta(hours=1)))
    ages: dict[str, timedelta | None] = beats.aggregate(age=(Max if oldest else Min)(age))
    return ages["age"]


def _sign_of_life(title: str, kind: str, *, oldest: bool = False) -> Finding:
    age = _silence(kind, oldest=oldest)
    if age is None:
        return failed(title, _("最近一小时没有心跳"), fix=RESTART)
    detail = _("%(seconds)d 秒前有心跳") % {"seconds": age.total_seconds()}
    return fine(title, detail) if age < SILENT_AFTER else failed(title, detail, fix=RESTART)


@check("workers")
def workers() -> Finding:
    return _sign_of_life(_("后台 worker"), "worker")


@check("beat")
def beat() -> Finding:
    return _sign_of_life(_("定时器 beat"), "beat")


@check("round_trip")
def round_trip() -> Finding:
    """From beat through the broker to a worker: each may be alive and yet not meet."""
    return _sign_of_life(_("定时任务往返"), "queue")


@check("queues")
def queues() -> Finding:
    title = _("任务队列")
    try:
        with current_app.connection_for_read() as broker:
            client = broker.default_channel.client  # type: ignore[attr-defined]  # of kombu redis
            lengths = {name: int(client.llen(name)) for name in settings.CELERY_TASK_QUEUES}
    except OperationalError:
        return failed(title, _("连接不上"), fix=_("检查 CELERY_BROKER_URL 或 REDIS_URL"))
    detail = " · ".join(f"{name} {length}" for name, length in lengths.items())
    if max(lengths.values()) > LONG_QUEUE:
        return warning(title, detail, fix=_("增加 worker，或查看 worker 日志"))
    return fine(title, detail)


@check("translations")
def translations() -> Finding:
    title = _("翻译")
    if missing := uncompiled():
        detail = _("%(count)d 个目录没有编译") % {"count": len(missing)}
        return warning(title, detail, fix="python manage.py messages")
    return fine(title, _("已编译"))


@check("debug")
def debug() -> Finding:
    if settings.DEBUG:
        return failed("DEBUG", _("已打开，会泄露内部信息"), fix=_("去掉 SCRM_DEBUG"))
    return fine("DEBUG", _("已关闭"))


@check("secret_key")
def secret_key() -> Finding:
    if len(settings.SECRET_KEY) < KEY_LENGTH:
        return failed("SECRET_KEY", _("太短"), fix=_("把 SCRM_SECRET_KEY 换成至少 50 个随机字符"))
    return fine("SECRET_KEY", _("已设置"))


@check("encryption_key")
def encryption_key() -> Finding:
    title = _("加密密钥")
    try:
        for key in settings.PII_KEYS:
            Fernet(key)
    except ValueError:
        return failed(title, _("格式不对"), fix=_("SCRM_PII_KEYS 必须是逗号分隔的 Fernet 密钥"))
    return fine(title, _("%(count)d 个") % {"count": len(settings.PII_KEYS)})


@check("hosts")
def hosts() -> Finding:
    title = "ALLOWED_HOSTS"
    if not settings.ALLOWED_HOSTS:
        return failed(title, _("为空，所有请求都会被拒绝"), fix=_("设置 SCRM_HOSTS"))
    if "*" in settings.ALLOWED_HOSTS:
        return warning(title, _("允许任何域名"), fix=_("在 SCRM_HOSTS 中写明域名"))
    return fine(title, ", ".join(settings.ALLOWED_HOSTS))


@check("https")
def https() -> Finding:
    title = "HTTPS"
    if settings.HTTPS:
        return fine(title, _("已启用"))
    if settings.EMBEDDED and settings.BIND in {"127.0.0.1", "localhost", "::1"}:
        return fine(title, _("只在本机访问，未启用"))
    return warning(title, _("未启用"), fix=_("在反向代理后面运行，并设置 SCRM_HTTPS=true"))


@check("public_url")
def public_url() -> Finding:
    """It is printed on posters: a wrong one cannot be called back."""
    title, parts = _("对外网址"), urlsplit(settings.PUBLIC_URL)
    is_a_host = parts.netloc[:1].isalnum()  # neither "*" nor ".example.com", which hosts may be
    if settings.EMBEDDED or (parts.scheme == "https" and is_a_host):
        return fine(title, settings.PUBLIC_URL)
    fix = _("把 SCRM_PUBLIC_URL 设为客户能打开的 https 网址，再印二维码")
    return warning(
        title, _("%(url)s 不是完整的 https 网址") % {"url": settings.PUBLIC_URL}, fix=fix
    )


@check("disk")
def disk() -> Finding:
    title = _("磁盘空间")
    folder = settings.DATA_DIR if settings.DATA_DIR.exists() else settings.BASE_DIR
    free = shutil.disk_usage(folder).free
    detail = _("剩余 %(size).1f GB") % {"size": free / 1024**3}
    if free < SPACE_LIMIT:
        return failed(title, detail, fix=_("清理磁盘"))
    return (
        warning(title, detail, fix=_("清理磁盘")) if free < SPACE_WARNING else fine(title, detail)
    )
