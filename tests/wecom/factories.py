from __future__ import annotations

from django.utils import timezone
from factory import LazyAttribute, LazyFunction, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from scrm.wecom.models import (
    ApiQuota,
    ChannelAccount,
    ChannelKind,
    InboundEvent,
    ReadRequest,
    SyncRun,
    WecomConnection,
)
from scrm.wecom.rules.credentials import new_aes_key, new_callback_key, new_token
from scrm.wecom.rules.status import ConnectionState, Platform, ReadKind
from scrm.wecom.selectors import platform_day
from tests.accounts.factories import EnterpriseFactory


class ChannelAccountFactory(DjangoModelFactory):
    """A sandbox."""

    class Meta:
        model = ChannelAccount

    enterprise = SubFactory(EnterpriseFactory)
    name = Sequence(lambda n: f"渠道{n}")
    kind = ChannelKind.SANDBOX


class WecomConnectionFactory(DjangoModelFactory):
    """A company on WeCom that works. Nobody is called: that takes tests/wecom/simulated.py."""

    class Meta:
        model = WecomConnection

    enterprise = SubFactory(EnterpriseFactory)
    account = SubFactory(
        ChannelAccountFactory,
        enterprise=SelfAttribute("..enterprise"),
        kind=ChannelKind.WECOM,
        name=Sequence(lambda n: f"企业微信{n}"),
    )
    platform = Platform.OFFICIAL
    corp_id = Sequence(lambda n: f"ww{n:016x}")
    agent_id = 1000002
    app_secret = "s" * 43
    callback_key = LazyFunction(new_callback_key)
    callback_token = LazyFunction(new_token)
    callback_aes_key = LazyFunction(new_aes_key)
    state = ConnectionState.CONNECTED


class InboundEventFactory(DjangoModelFactory):
    """Somebody joined a chat; not processed yet."""

    class Meta:
        model = InboundEvent

    connection = SubFactory(WecomConnectionFactory)
    enterprise = LazyAttribute(lambda event: event.connection.enterprise)
    dedupe_key = Sequence(lambda n: f"{n:064x}")
    event = "change_external_chat"
    change_type = "update"
    detail = "add_member"
    subject = "wrOfTheChat"
    payload = "<xml><ChatId>wrOfTheChat</ChatId></xml>"


class ReadRequestFactory(DjangoModelFactory):
    class Meta:
        model = ReadRequest

    connection = SubFactory(WecomConnectionFactory)
    kind = ReadKind.CHAT
    external_id = Sequence(lambda n: f"wr{n}")


class SyncRunFactory(DjangoModelFactory):
    class Meta:
        model = SyncRun

    connection = SubFactory(WecomConnectionFactory)
    enterprise = LazyAttribute(lambda run: run.connection.enterprise)


class ApiQuotaFactory(DjangoModelFactory):
    class Meta:
        model = ApiQuota

    connection = SubFactory(WecomConnectionFactory)
    api = "externalcontact/groupchat/get"
    day = LazyFunction(lambda: platform_day(timezone.now()))
    call_count = 12
