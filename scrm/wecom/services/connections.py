"""Connecting a company on WeCom: its ids and secret, its callback, and whether both work."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext as _

from scrm.accounts.models import User
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.accounts.services.operator_tasks import open_task, settle_task
from scrm.shared.errors import refusing
from scrm.wecom.client.codes import words_of
from scrm.wecom.errors import (
    AppAlreadyConnected,
    ChannelNameTaken,
    CompanyIsInUse,
    ConnectionIsNotPaused,
    ConnectionIsPaused,
    InvalidCredential,
    SimulatorMissing,
)
from scrm.wecom.models import (
    ChannelAccount,
    ChannelKind,
    WecomConnection,
)
from scrm.wecom.rules.callback_crypto import is_aes_key
from scrm.wecom.rules.credentials import (
    is_agent_id,
    is_app_secret,
    is_corp_id,
    is_token,
    new_aes_key,
    new_callback_key,
    new_token,
)
from scrm.wecom.rules.status import ConnectionState, Platform
from scrm.wecom.selectors import has_history

APP = ("corp_id", "agent_id", "app_secret")
CALLBACK = ("callback_token", "callback_aes_key")
STATE = ("state", "state_code", "state_since")


def callback_url(connection: WecomConnection) -> str:
    """The address that the company gives to the platform, as the platform reaches us."""
    return settings.PUBLIC_URL + reverse("wecom-callback", args=[connection.callback_key])


@transaction.atomic
def connect_company(
    *,
    actor: User,
    corp_id: str,
    agent_id: int,
    app_secret: str,
    name: str = "",
    platform: str = Platform.OFFICIAL,
    callback_token: str = "",
    callback_aes_key: str = "",
) -> WecomConnection:
    """Keep what it takes to call a company's app, and make what it takes to be called by it.

    It begins as a draft: nothing is asked of the platform here.
    """
    connection = WecomConnection(
        enterprise_id=actor.enterprise_id,
        platform=platform,
        corp_id=corp_id.strip(),
        agent_id=agent_id,
        app_secret=app_secret.strip(),
        callback_key=new_callback_key(),
        callback_token=callback_token.strip() or new_token(),
        callback_aes_key=callback_aes_key.strip() or new_aes_key(),
    )
    refuse_platform(platform)
    refuse_app(connection)
    refuse_callback(connection)
    connection.account = new_account(connection, name.strip())
    with refusing(already_connected(), constraint="app_is_connected_once"):
        connection.save(force_insert=True)
    record_audit(
        actor,
        verb="connect_company",
        subject=connection,
        after={"name": connection.account.name, **snapshot(connection, ["platform", *APP])},
    )
    return connection


def new_account(connection: WecomConnection, name: str) -> ChannelAccount:
    account = ChannelAccount(
        enterprise_id=connection.enterprise_id,
        name=name or _("企业微信 %(app)s") % {"app": connection},
        kind=ChannelKind.WECOM,
    )
    with refusing(name_taken(account.name), constraint="channel_account_name_is_unique"):
        account.save(force_insert=True)
    return account


@transaction.atomic
def edit_connection(
    connection_id: int,
    *,
    actor: User,
    name: str | None = None,
    corp_id: str | None = None,
    agent_id: int | None = None,
    app_secret: str = "",
) -> WecomConnection:
    """Correct the name, the ids or the secret; what is not given stays, and so does the secret
    where it is empty. The ids stay once something of that company was read or received."""
    connection = locked(connection_id, actor)
    before = {"name": connection.account.name, **snapshot(connection, APP)}
    ids = (connection.corp_id, connection.agent_id)
    connection.corp_id = connection.corp_id if corp_id is None else corp_id.strip()
    connection.agent_id = connection.agent_id if agent_id is None else agent_id
    connection.app_secret = app_secret.strip() or connection.app_secret
    refuse_app(connection)
    if ids != (connection.corp_id, connection.agent_id):
        refuse_other_company(connection)
    with refusing(already_connected(), constraint="app_is_connected_once"):
        connection.save(update_fields=APP)
    if name is not None and name.strip():
        rename(connection.account, name.strip())
    after = {"name": connection.account.name, **snapshot(connection, APP)}
    record_audit(actor, verb="edit_connection", subject=connection, before=before, after=after)
    return connection


@transaction.atomic
def rotate_callback_secrets(
    connection_id: int, *, actor: User, callback_token: str = "", callback_aes_key: str = ""
) -> WecomConnection:
    """New secrets of the callback, made here unless given. Those that the platform still uses are
    accepted until it has verified our address with the new ones."""
    connection = locked(connection_id, actor)
    before = snapshot(connection, CALLBACK)
    if connection.callback_verified_at and not connection.former_callback_token:
        connection.former_callback_token = connection.callback_token
        connection.former_callback_aes_key = connection.callback_aes_key
    connection.callback_token = callback_token.strip() or new_token()
    connection.callback_aes_key = callback_aes_key.strip() or new_aes_key()
    refuse_callback(connection)
    former = ("former_callback_token", "former_callback_aes_key")
    connection.save(update_fields=[*CALLBACK, *former])
    record_audit(
        actor,
        verb="rotate_callback_secrets",
        subject=connection,
        before=before,
        after=snapshot(connection, CALLBACK),
    )
    return connection


@transaction.atomic
def callback_verified(connection: WecomConnection) -> None:
    """The platform has verified our address with the secrets of ``connection``: drop the former.

    Call it only if the present secrets matched. If they were replaced meanwhile nothing changes.
    """
    current = WecomConnection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    if snapshot(current, CALLBACK) != snapshot(connection, CALLBACK):
        return
    current.former_callback_token = current.former_callback_aes_key = ""
    current.callback_verified_at = Now()
    current.save(
        update_fields=[
            "former_callback_token",
            "former_callback_aes_key",
            "callback_verified_at",
        ]
    )


@transaction.atomic
def pause_connection(connection_id: int, *, actor: User) -> WecomConnection:
    """Neither call the platform nor send through it; paused twice it stays as it is."""
    connection = locked(connection_id, actor)
    if connection.state == ConnectionState.PAUSED:
        return connection
    before = snapshot(connection, ["state"])
    move(connection, ConnectionState.PAUSED)
    switch_account(connection, active=False)
    settle_task(TaskKind.CONNECTION_FAILING, subject=connection)
    record_audit(
        actor,
        verb="pause_connection",
        subject=connection,
        before=before,
        after=snapshot(connection, ["state"]),
    )
    return connection


@transaction.atomic
def resume_connection(connection_id: int, *, actor: User) -> WecomConnection:
    """Use it again, as before; the next call tells whether it still works. One that was never
    used begins as a draft."""
    connection = locked(connection_id, actor)
    if connection.state != ConnectionState.PAUSED:
        raise ConnectionIsNotPaused(_("这个连接没有停用，不用启用。"))
    move(
        connection,
        ConnectionState.CONNECTED if has_history(connection) else ConnectionState.DRAFT,
    )
    switch_account(connection, active=True)
    record_audit(
        actor,
        verb="resume_connection",
        subject=connection,
        before={"state": ConnectionState.PAUSED},
        after=snapshot(connection, ["state"]),
    )
    return connection


@transaction.atomic
def mark_failing(connection_id: int, code: int | str) -> None:
    """The platform refuses this app altogether, with this code: ask a person to set it right.

    A draft stays a draft, because whoever set it up is still there; a paused one stays paused.
    """
    connection = WecomConnection.objects.select_for_update(no_key=True).get(pk=connection_id)
    if connection.state == ConnectionState.PAUSED:
        return
    failing = connection.state != ConnectionState.DRAFT
    state = ConnectionState.FAILING if failing else ConnectionState.DRAFT
    if (connection.state, connection.state_code) != (state, str(code)):
        move(connection, state, code=str(code))
    if failing:
        open_task(
            TaskKind.CONNECTION_FAILING,
            subject=connection,
            title=_("企业微信连接“%(name)s”异常") % {"name": connection.account.name},
            details={"code": str(code), "words": reason_in_words(str(code))},
        )


@transaction.atomic
def mark_connected(connection_id: int) -> None:
    """The platform has accepted our calls. Costs one query while nothing changes."""
    waiting = WecomConnection.objects.filter(pk=connection_id).exclude(
        state__in=[ConnectionState.CONNECTED, ConnectionState.PAUSED]
    )
    connection = waiting.select_for_update(no_key=True).first()
    if connection is None:
        return
    move(connection, ConnectionState.CONNECTED)
    settle_task(TaskKind.CONNECTION_FAILING, subject=connection)


def reason_in_words(code: str) -> str:
    """Why a connection fails, with what to do; empty where there is no code."""
    if not code:
        return ""
    is_number = code.removeprefix("-").isdecimal()
    words = words_of(int(code)) if is_number else _("企业微信没有给出原因。")
    return _("%(words)s（错误码 %(code)s）") % {"words": words, "code": code}


def move(connection: WecomConnection, state: ConnectionState, *, code: str = "") -> None:
    if connection.state != state:
        connection.state = state
        connection.state_since = Now()
    connection.state_code = code[:40]
    connection.save(update_fields=STATE)
    connection.refresh_from_db(fields=STATE)


def switch_account(connection: WecomConnection, *, active: bool) -> None:
    connection.account.is_active = active
    connection.account.save(update_fields=["is_active"])


def rename(account: ChannelAccount, name: str) -> None:
    account.name = name
    with refusing(name_taken(name), constraint="channel_account_name_is_unique"):
        account.save(update_fields=["name"])


def locked(connection_id: int, actor: User) -> WecomConnection:
    rows = WecomConnection.objects.visible_to(actor).select_related("account")
    return rows.select_for_update(no_key=True, of=("self", "account")).get(pk=connection_id)


def refuse_paused(connection: WecomConnection) -> None:
    if connection.state == ConnectionState.PAUSED:
        raise ConnectionIsPaused(_("这个连接已停用，请先启用。"))


def refuse_platform(platform: str) -> None:
    if platform not in Platform.values:
        raise InvalidCredential("platform", _("没有“%(name)s”这个平台。") % {"name": platform})
    if platform == Platform.SIMULATOR and not settings.WECOM_SIMULATOR_URL:
        raise SimulatorMissing(_("这里没有运行模拟企业微信，请选择企业微信。"))


def refuse_app(connection: WecomConnection) -> None:
    if not is_corp_id(connection.corp_id):
        raise InvalidCredential(
            "corp_id",
            _("企业 ID 只含字母和数字，例如 ww1a2b3c4d5e6f7a8b。请从“我的企业”页面底部复制。"),
        )
    if not is_agent_id(connection.agent_id):
        raise InvalidCredential("agent_id", _("AgentId 是正整数，例如 1000002。"))
    if not is_app_secret(connection.app_secret):
        raise InvalidCredential("app_secret", _("Secret 不能有空格或中文，请从应用页面重新复制。"))


def refuse_callback(connection: WecomConnection) -> None:
    if not is_token(connection.callback_token):
        raise InvalidCredential("callback_token", _("Token 为 1 到 32 位字母或数字。"))
    if not is_aes_key(connection.callback_aes_key):
        raise InvalidCredential("callback_aes_key", _("EncodingAESKey 正好是 43 位字母或数字。"))


def refuse_other_company(connection: WecomConnection) -> None:
    """What was read or received belongs to the company and app it came from."""
    if has_history(connection):
        raise CompanyIsInUse(
            _("已从这个企业读过数据，企业 ID 和 AgentId 不能再改。请停用它，另建一个连接。")
        )


def already_connected() -> AppAlreadyConnected:
    return AppAlreadyConnected(_("这个应用已经连接过。请核对企业 ID 和 AgentId。"))


def name_taken(name: str) -> ChannelNameTaken:
    return ChannelNameTaken(_("已有名为“%(name)s”的渠道账号。") % {"name": name})
