from tests.isolation import Call
from tests.wecom.factories import ChannelAccountFactory


def build(world):
    world.rows["channel account"] = ChannelAccountFactory(
        enterprise=world.enterprise, name=f"{world.mark}渠道", secret=f"{world.mark}-secret"
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
}

ADMIN = {"wecom.channelaccount": "channel account"}

ADMIN_URLS = {
    "wecom_channelaccount_activate": Call(row="channel account"),
    "wecom_channelaccount_deactivate": Call(row="channel account"),
}
