from scrm.wecom.rules.status import ConnectionState, EventState, Platform, ReadState, SyncState
from tests.isolation import Call
from tests.wecom.factories import (
    ApiQuotaFactory,
    ChannelAccountFactory,
    InboundEventFactory,
    ReadRequestFactory,
    SyncRunFactory,
    WecomConnectionFactory,
)


def build(world):
    world.rows["channel account"] = ChannelAccountFactory(
        enterprise=world.enterprise, name=f"{world.mark}渠道", secret=f"{world.mark}-secret"
    )
    connection = world.rows["wecom connection"] = connected(world, ConnectionState.CONNECTED)
    paused = world.rows["paused wecom connection"] = connected(world, ConnectionState.PAUSED)
    world.rows["inbound event"] = InboundEventFactory(
        connection=connection,
        state=EventState.FAILED,
        subject=f"{world.mark}-chat",
        payload=f"<xml><ChatId>{world.mark}-chat</ChatId></xml>",
    )
    world.rows["read request"] = ReadRequestFactory(
        connection=connection, state=ReadState.FAILED, external_id=f"{world.mark}-chat"
    )
    world.rows["sync run"] = SyncRunFactory(connection=paused, state=SyncState.RUNNING)
    world.rows["api quota"] = ApiQuotaFactory(connection=connection)


def connected(world, state):
    """On the simulator, which nobody has started: a test of it ends at once."""
    return WecomConnectionFactory(
        enterprise=world.enterprise,
        account__name=f"{world.mark}{state.label}",
        corp_id=f"ww{world.mark}{state}",
        app_secret=f"{world.mark}-secret",
        platform=Platform.SIMULATOR,
        state=state,
    )


API = {
    "channel-account-list": {
        "get": Call(),
        "post": Call(body=lambda w: {"name": "新渠道", "kind": "sandbox"}, answers=(201,)),
    },
    "channel-account-detail": {
        "get": Call(row="channel account"),
        "patch": Call(row="channel account", body=lambda w: {"delay_ms": 5}),
    },
    "channel-account-activate": {"post": Call(row="channel account")},
    "channel-account-deactivate": {"post": Call(row="channel account")},
    "wecom-connection-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {"corp_id": "ww1a2b3c4d5e6f7a8b", "agent_id": 1, "app_secret": "s"},
            answers=(201,),
        ),
    },
    "wecom-connection-detail": {
        "get": Call(row="wecom connection"),
        "patch": Call(row="wecom connection", body=lambda w: {"name": "改名"}),
    },
    "wecom-connection-test": {"post": Call(row="wecom connection")},
    "wecom-connection-sync": {"post": Call(row="wecom connection")},
    "wecom-connection-rotate-callback": {"post": Call(row="wecom connection")},
    "wecom-connection-pause": {"post": Call(row="wecom connection")},
    "wecom-connection-resume": {"post": Call(row="paused wecom connection")},
    "inbound-event-list": {"get": Call()},
    "inbound-event-detail": {"get": Call(row="inbound event")},
    "inbound-event-replay": {"post": Call(row="inbound event")},
    "read-request-list": {"get": Call()},
    "read-request-detail": {"get": Call(row="read request")},
    "read-request-replay": {"post": Call(row="read request")},
    "sync-run-list": {"get": Call()},
    "sync-run-detail": {"get": Call(row="sync run")},
    "sync-run-cancel": {"post": Call(row="sync run")},
    "api-quota-list": {"get": Call()},
    "api-quota-detail": {"get": Call(row="api quota")},
}

ADMIN = {
    "wecom.channelaccount": "channel account",
    "wecom.wecomconnection": "wecom connection",
    "wecom.inboundevent": "inbound event",
    "wecom.readrequest": "read request",
    "wecom.syncrun": "sync run",
    "wecom.apiquota": "api quota",
}

ADMIN_URLS = {
    "wecom_channelaccount_activate": Call(row="channel account"),
    "wecom_channelaccount_deactivate": Call(row="channel account"),
    "wecom_wecomconnection_try_out": Call(row="wecom connection"),
    "wecom_wecomconnection_sync_now": Call(
        row="wecom connection", body=lambda w: {"scope": "full"}
    ),
    "wecom_wecomconnection_rotate": Call(row="wecom connection"),
    "wecom_wecomconnection_pause": Call(row="wecom connection"),
    "wecom_wecomconnection_resume": Call(row="paused wecom connection"),
    "wecom_wecomconnection_setup": Call(row="wecom connection", body=lambda w: {"do": "sync"}),
    "wecom_wecomconnection_verified": Call(row="wecom connection"),
    "wecom_inboundevent_replay": Call(row="inbound event"),
    "wecom_readrequest_replay": Call(row="read request"),
    "wecom_syncrun_cancel": Call(row="sync run"),
}
