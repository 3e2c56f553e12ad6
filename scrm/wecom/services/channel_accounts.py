from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.errors import refusing
from scrm.wecom.errors import (
    ChannelNameTaken,
    ConnectionIsPaused,
    EndpointMissing,
    UnknownChannelKind,
)
from scrm.wecom.models import ChannelAccount, ChannelKind, WecomConnection
from scrm.wecom.rules.status import ConnectionState

FIELDS = (
    "name",
    "endpoint",
    "secret",
    "delay_ms",
    "failure_percent",
    "rate_per_second",
    "rate_burst",
)


def channel_kinds() -> list[tuple[str, str]]:
    """The kinds of channel that can be added here, with their labels. A company on WeCom comes
    with its connection instead."""
    labels = dict(ChannelKind.choices)
    added = [kind for kind in settings.CHANNELS if kind != ChannelKind.WECOM]
    return [(kind, str(labels.get(kind, kind))) for kind in added]


@transaction.atomic
def create_channel_account(
    *, actor: User, name: str, kind: str, **values: object
) -> ChannelAccount:
    if kind == ChannelKind.WECOM:
        raise UnknownChannelKind(_("企业微信请用“连接企业微信”添加，会同时建立渠道账号。"))
    if kind not in settings.CHANNELS:
        raise UnknownChannelKind(_("没有“%(kind)s”这种渠道。") % {"kind": kind})
    account = ChannelAccount(enterprise_id=actor.enterprise_id, name=name, kind=kind)
    describe(account, values)
    refuse_without_endpoint(account)
    with refusing(taken(name), constraint="channel_account_name_is_unique"):
        account.save(force_insert=True)
    after = snapshot(account, ["kind", *FIELDS])
    record_audit(actor, verb="create_channel_account", subject=account, after=after)
    return account


@transaction.atomic
def edit_channel_account(account_id: int, *, actor: User, **changes: object) -> ChannelAccount:
    """Change the description or the way in. The kind stays: rows already sent refer to it."""
    account = locked(account_id, actor)
    before = snapshot(account, FIELDS)
    describe(account, changes)
    refuse_without_endpoint(account)
    with refusing(taken(account.name), constraint="channel_account_name_is_unique"):
        account.save(update_fields=FIELDS)
    after = snapshot(account, FIELDS)
    record_audit(actor, verb="edit_channel_account", subject=account, before=before, after=after)
    return account


@transaction.atomic
def activate_channel_account(account_id: int, *, actor: User) -> ChannelAccount:
    """Send through it again. The account of a paused connection comes back with that."""
    account = locked(account_id, actor)
    if WecomConnection.objects.filter(account=account, state=ConnectionState.PAUSED).exists():
        raise ConnectionIsPaused(_("这个渠道的企业微信连接已停用，请启用那个连接。"))
    return switch(account, actor=actor, active=True)


@transaction.atomic
def deactivate_channel_account(account_id: int, *, actor: User) -> ChannelAccount:
    """Nothing is sent through it any more."""
    return switch(locked(account_id, actor), actor=actor, active=False)


def switch(account: ChannelAccount, *, actor: User, active: bool) -> ChannelAccount:
    if account.is_active == active:
        return account
    account.is_active = active
    account.save(update_fields=["is_active"])
    record_audit(
        actor,
        verb="activate_channel_account" if active else "deactivate_channel_account",
        subject=account,
        before={"is_active": not active},
        after={"is_active": active},
    )
    return account


def describe(account: ChannelAccount, values: Mapping[str, object]) -> None:
    for field in FIELDS:
        if field in values:
            setattr(account, field, values[field])
    account.rate_per_second = account.rate_per_second or None  # nothing a second is no limit at all
    account.rate_burst = account.rate_burst or 0


def locked(account_id: int, actor: User) -> ChannelAccount:
    accounts = ChannelAccount.objects.visible_to(actor).select_for_update(no_key=True)
    return accounts.get(pk=account_id)


def refuse_without_endpoint(account: ChannelAccount) -> None:
    if account.kind == ChannelKind.WEBHOOK and not account.endpoint:
        raise EndpointMissing(_("Webhook 渠道必须填写接收地址。"))


def taken(name: str) -> ChannelNameTaken:
    return ChannelNameTaken(_("已有名为“%(name)s”的渠道账号。") % {"name": name})
