"""Trying out a connection, and saying in words what is wrong and where it is set right."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit
from scrm.shared.clock import database_now
from scrm.wecom.client import Kind, WecomClient, WecomRefusal, client_for
from scrm.wecom.client.codes import words_of
from scrm.wecom.client.reach import Reached, reach
from scrm.wecom.client.wire import base_url
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.credentials import is_usual_corp_id
from scrm.wecom.rules.status import Platform
from scrm.wecom.selectors import inbox_of
from scrm.wecom.services.connections import mark_connected, mark_failing, refuse_paused

SKEW_LIMIT = 60.0  # seconds; a callback's signature lives settings.WECOM_CLOCK_SKEW
SILENT_AFTER = timedelta(days=3)
NEEDS_OWNERS = 81017  # more than 1,000 people are visible: groups are listed by their owners

_IP = re.compile(r"from ip: ([0-9a-fA-F.:]+)", re.ASCII)


class CheckStatus(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried. ``words`` say what was found, ``fix`` what to do about it; neither
    holds anything secret. ``code`` is the platform's, where it refuses the app as such, else 0."""

    name: str
    title: str
    status: CheckStatus
    words: str
    fix: str = ""
    code: int = 0


def check_connection(connection_id: int, *, actor: User) -> list[Check]:
    """Call the platform as this connection, and look at what came from it. Nothing is kept but
    whether it works. Takes some seconds; no transaction may be open."""
    rows = WecomConnection.objects.visible_to(actor).select_related("account")
    connection = rows.get(pk=connection_id)
    refuse_paused(connection)
    checks = list(every_check(connection))
    refused = next((each for each in checks if each.code), None)
    if refused is not None:
        mark_failing(connection.pk, refused.code)
    elif {each.name for each in checks}.issuperset(CALLS):
        mark_connected(connection.pk)
    found = {each.name: each.status.value for each in checks}
    record_audit(actor, verb="check_connection", subject=connection, after=found)
    return checks


def is_well(checks: list[Check]) -> bool:
    return all(each.status != CheckStatus.FAILED for each in checks)


def every_check(connection: WecomConnection) -> Iterator[Check]:
    """In the order in which things have to work; what cannot be tried is left out."""
    base = base_url(connection.platform)
    if not base:
        yield failed_check(
            "host",
            _("接口地址"),
            _("这里没有运行模拟企业微信。"),
            _("设置 SCRM_SIMULATOR_URL，或用 make up 启动。"),
        )
        return
    try:
        reached = reach(base)
    except (httpx.HTTPError, OSError) as error:
        yield unreachable(base, error)
        return
    yield Check(
        "host",
        _("接口地址"),
        CheckStatus.OK,
        _("%(host)s 有应答，%(ms)d 毫秒") % {"host": host_of(base), "ms": reached.milliseconds},
    )
    yield from checks_of_calls(connection)
    yield check_callback(connection)
    yield check_clock(reached)


def host_of(url: str) -> str:
    return urlsplit(url).netloc


def unreachable(base: str, error: Exception) -> Check:
    return failed_check(
        "host",
        _("接口地址"),
        _("连不上 %(host)s：%(error)s") % {"host": host_of(base), "error": type(error).__name__},
        _("检查服务器的网络、DNS 和出口防火墙，要能访问这个地址。"),
    )


# --- What the app may do --------------------------------------------------------------------------


def checks_of_calls(connection: WecomConnection) -> Iterator[Check]:
    """Without a token nothing else can be tried."""
    with client_for(connection) as client:
        for name, ask in CALLS.items():
            try:
                yield ask(client)
            except WecomRefusal as refusal:
                yield refused_check(name, refusal, connection)
                if name == "credential":
                    return


def check_token(client: WecomClient) -> Check:
    client.check_secret()
    return Check("credential", titles()["credential"], CheckStatus.OK, _("已取得访问凭证"))


def check_directory(client: WecomClient) -> Check:
    departments = client.departments()
    if not departments:
        return warned_check(
            "directory",
            _("应用看不到任何部门或员工。"),
            _("企业微信后台：应用管理 → 本应用 → 可见范围，加入负责客户群的部门。"),
        )
    words = _("可见 %(count)d 个部门") % {"count": len(departments)}
    return Check("directory", titles()["directory"], CheckStatus.OK, words)


def check_customer_contact(client: WecomClient) -> Check:
    staff = client.follow_users()
    if not staff:
        return warned_check(
            "customer_contact",
            _("没有员工开通客户联系，读不到客户和客户群。"),
            _("企业微信后台：客户联系 → 权限配置 → 使用范围，加入负责客户群的员工。"),
        )
    words = _("%(count)d 名员工开通了客户联系") % {"count": len(staff)}
    return Check("customer_contact", titles()["customer_contact"], CheckStatus.OK, words)


def check_groups(client: WecomClient) -> Check:
    title = titles()["groups"]
    try:
        page = client.groups(limit=1)
    except WecomRefusal as refusal:
        if refusal.code != NEEDS_OWNERS:
            raise
        words = _("可见范围超过 1000 人，同步时按群主分批读取")
        return Check("groups", title, CheckStatus.OK, words)
    if page.items:
        return Check("groups", title, CheckStatus.OK, _("可以读取客户群"))
    return warned_check(
        "groups",
        _("还没有看到客户群。"),
        _("如果企业已有客户群，请把群主加入应用的可见范围。"),
    )


CALLS: dict[str, Callable[[WecomClient], Check]] = {
    "credential": check_token,
    "directory": check_directory,
    "customer_contact": check_customer_contact,
    "groups": check_groups,
}


def titles() -> dict[str, str]:
    return {
        "credential": _("应用凭证"),
        "directory": _("可见范围"),
        "customer_contact": _("客户联系权限"),
        "groups": _("客户群"),
        "callback": _("回调"),
        "clock": _("时钟"),
    }


def refused_check(name: str, refusal: WecomRefusal, connection: WecomConnection) -> Check:
    status = CheckStatus.FAILED
    if refusal.kind in {Kind.TRANSIENT, Kind.RATE, Kind.BUSY}:
        status = CheckStatus.WARNING  # says nothing about the connection
    words = words_of(refusal.code) if refusal.code else _("企业微信没有给出可读的回答。")
    return Check(
        name=name,
        title=titles()[name],
        status=status,
        words=f"{words}（{refusal.code}）" if refusal.code else words,
        fix=fix_of(refusal, connection),
        code=refusal.code if refusal.kind == Kind.CONFIG else 0,
    )


def fix_of(refusal: WecomRefusal, connection: WecomConnection) -> str:
    """Where in the platform's console it is set right."""
    match refusal.code:
        case 40001 | 40091 | 41004:
            return _("企业微信后台：应用管理 → 本应用 → Secret，重新查看并复制到这里。")
        case 40013 | 41002:
            odd = "" if is_usual_corp_id(connection.corp_id) else _("现在填的不像企业 ID。")
            return odd + _("企业微信后台：我的企业 → 企业信息，最下方的“企业 ID”。")
        case 60020:
            told = _IP.search(refusal.message)
            address = told.group(1) if told else _("本服务器的出口 IP")
            return _(
                "企业微信后台：应用管理 → 本应用 → 企业可信 IP，加入 %(ip)s，约一分钟后生效。"
            ) % {"ip": address}
        case 48002:
            return _("企业微信后台：客户联系 → 可调用接口的应用，加入本应用。")
        case 60011 | 84074:
            return _("企业微信后台：扩大本应用的可见范围，以及客户联系的使用范围。")
        case 45009:
            return _("等一会儿再测试；同一企业的其他工具也在用这个额度。")
    return ""


# --- What comes from the platform -----------------------------------------------------------------


def check_callback(connection: WecomConnection) -> Check:
    console = _("企业微信后台：应用管理 → 本应用 → 接收消息 → 设置 API 接收。")
    if connection.platform == Platform.OFFICIAL and is_private(settings.PUBLIC_URL):
        return failed_check(
            "callback",
            titles()["callback"],
            _("回调地址 %(url)s 只在本机有效，企业微信访问不到。") % {"url": settings.PUBLIC_URL},
            _("把 SCRM_PUBLIC_URL 设为公网可访问的地址，再到企业微信后台保存。"),
        )
    if connection.callback_verified_at is None:
        return warned_check("callback", _("企业微信还没有验证过回调地址。"), console)
    if connection.former_callback_token:
        words = _("回调密钥已换新，企业微信还在用旧的。")
        return warned_check("callback", words, console + _("填入新的 Token 和 EncodingAESKey。"))
    return last_event(connection)


def last_event(connection: WecomConnection) -> Check:
    last = inbox_of(connection).last_received_at
    subscribe = _(
        "如果群里有人进出却没有回调，请到企业微信后台确认勾选了“外部联系人变更回调”，"
        "并把本应用加入“可调用接口的应用”。"
    )
    if last is None:
        return warned_check("callback", _("地址已验证，还没有收到过事件。"), subscribe)
    now = database_now()
    words = _("最近一次事件在 %(time)s前") % {"time": timesince(last, now, depth=1)}
    if now - last > SILENT_AFTER:
        return warned_check("callback", words, subscribe)
    return Check("callback", titles()["callback"], CheckStatus.OK, words)


def is_private(url: str) -> bool:
    """Whether an address means nothing outside of this machine or its network."""
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host in {"", "localhost"}


def check_clock(reached: Reached) -> Check:
    title = titles()["clock"]
    if reached.skew is None:
        return Check("clock", title, CheckStatus.OK, _("对方没有报时"))
    words = _("与企业微信相差 %(seconds).0f 秒") % {"seconds": abs(reached.skew)}
    if abs(reached.skew) <= SKEW_LIMIT:
        return Check("clock", title, CheckStatus.OK, words)
    status = CheckStatus.WARNING
    if abs(reached.skew) > settings.WECOM_CLOCK_SKEW:
        status = CheckStatus.FAILED
        words += _("，回调会因签名过期被拒")
    return Check("clock", title, status, words, _("在服务器上启用 NTP 对时。"))


def warned_check(name: str, words: str, fix: str) -> Check:
    return Check(name, titles()[name], CheckStatus.WARNING, words, fix)


def failed_check(name: str, title: str, words: str, fix: str) -> Check:
    return Check(name, title, CheckStatus.FAILED, words, fix)
