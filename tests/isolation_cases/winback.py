"""The part of campaigns' cases that is about winning members back."""

from campaigns.models import WinbackAction, WinbackPolicy
from campaigns.rules.winback import WinbackKind
from scrm.accounts.rules.roles import Role
from tests.campaigns.factories import ChurnAlertFactory
from tests.isolation import Call
from tests.members.factories import MemberFactory

REFUSALS = (400, 404, 409)  # each alert is refused for itself; with none left the whole is


def build(world):
    member = MemberFactory(enterprise=world.enterprise, nickname=f"{world.mark}要走的人")
    alert = ChurnAlertFactory(
        community=world.rows["community"], member=member, note=f"{world.mark}备注"
    )
    world.rows["worked alert"] = alert
    world.rows["winback action"] = WinbackAction.objects.create(
        enterprise=world.enterprise,
        alert=alert,
        kind=WinbackKind.BENEFIT,
        benefit=f"{world.mark}优惠券",
        note=f"{world.mark}备注",
        created_by=world.users[Role.OPERATOR],
    )
    world.rows["winback policy"] = WinbackPolicy.objects.create(
        enterprise=world.enterprise, community=world.rows["community"]
    )


def alerts(world, **more):
    return {"alerts": [world["other alert"].pk], **more}


def message(world):
    account = world["channel account"].pk
    return alerts(world, name="好久不见", body="回来看看", channel_account=account)


def planned(body):
    return {"post": Call(body=body, answers=(201,), refusals=REFUSALS)}


API = {
    "winback-action-list": {"get": Call()},
    "winback-action-detail": {"get": Call(row="winback action")},
    "winback-action-tasks": planned(alerts),
    "winback-action-benefits": planned(lambda w: alerts(w, benefit="券")),
    "winback-action-message": planned(message),
    "winback-action-complete": {"post": Call(row="winback action", body=lambda w: {"note": "好"})},
    "winback-action-cancel": {"post": Call(row="winback action", body=lambda w: {"note": "好"})},
    "winback-policy-list": {
        "get": Call(),
        "post": Call(body=lambda w: {"community": w["closed community"].pk}, answers=(201,)),
    },
    "winback-policy-detail": {
        "get": Call(row="winback policy"),
        "patch": Call(row="winback policy", body=lambda w: {"threshold_percent": 60}),
        "delete": Call(row="winback policy", answers=(204,)),
    },
    "winback-policy-in-force": {"get": Call()},
    "churn-quality": {"get": Call()},
}

ADMIN = {
    "campaigns.winbackaction": "winback action",
    "campaigns.winbackpolicy": "winback policy",
}

ADMIN_URLS = {
    "campaigns_churnalert_quality": Call(),
    "campaigns_winbackaction_complete": Call(row="winback action", body=lambda w: {"note": "好"}),
    "campaigns_winbackaction_cancel": Call(row="winback action", body=lambda w: {"note": "好"}),
}
