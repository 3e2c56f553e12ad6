import json

from communities.rules.status import CommunityStatus
from tests.communities.factories import (
    ClassificationAxisFactory,
    ClassificationRuleFactory,
    ClassificationValueFactory,
    CommunityFactory,
    GroupChatFactory,
    JoinRouteFactory,
    JoinWayFactory,
    TierFactory,
    TierSchemeFactory,
)
from tests.isolation import Call
from tests.isolation_cases import transfers

THREE_ORDERS = {"metric": "purchase_count", "op": "gte", "value": 3}


def build(world):
    home = {"enterprise": world.enterprise}
    world.rows["axis"] = ClassificationAxisFactory(**home, name=f"{world.mark}维度")
    world.rows["value"] = ClassificationValueFactory(
        axis=world.rows["axis"], name=f"{world.mark}值"
    )
    world.rows["classification rule"] = ClassificationRuleFactory(
        value__axis=world.rows["axis"], value__name=f"{world.mark}规则值"
    )
    world.rows["scheme"] = TierSchemeFactory(**home, name=f"{world.mark}方案")
    world.rows["tier"] = TierFactory(scheme=world.rows["scheme"], rank=1, name=f"{world.mark}层级")
    world.rows["unused tier"] = TierFactory(
        scheme__enterprise=world.enterprise,
        scheme__name=f"{world.mark}空方案",
        name=f"{world.mark}空层级",
    )
    world.rows["community"] = CommunityFactory(
        **home,
        code="cats",
        name=f"{world.mark}社群",
        audience_statement=f"{world.mark}的客户",
        owner=world.rows["staff"],
        values=[world.rows["value"]],
    )
    world.rows["policy"] = world.rows["community"].entry_policies.get()
    world.rows["recruiting community"] = CommunityFactory(
        **home,
        name=f"{world.mark}新社群",
        owner=world.rows["staff"],
        status=CommunityStatus.RECRUITING,
    )
    world.rows["chat"] = GroupChatFactory(
        community=world.rows["community"],
        channel_account=world.rows["channel account"],
        name=f"{world.mark}群",
    )
    world.rows["empty chat"] = GroupChatFactory(
        **home,
        community=None,
        channel_account=world.rows["channel account"],
        name=f"{world.mark}空群",
    )
    world.rows["join way"] = JoinWayFactory(
        community=world.rows["community"], name=f"{world.mark}海报", source=f"{world.mark}-poster"
    )
    JoinRouteFactory(join_way=world.rows["join way"], chat=world.rows["chat"])
    world.rows["paused way"] = JoinWayFactory(
        community=world.rows["community"], name=f"{world.mark}旧海报", state="paused"
    )
    transfers.build(world)


def routes_of(world):
    return [{"chat": world["chat"].pk, "weight": 2, "region": world["value"].pk}]


def community_body(world):
    return {
        "code": "new",
        "name": "新社群",
        "parent": world["community"].pk,
        "owner": world["staff"].pk,
        "classification_values": [world["value"].pk],
        "minimum_tier": world["tier"].pk,
    }


API = {
    **transfers.API,
    "community-list": {"get": Call(), "post": Call(body=community_body, answers=(201,))},
    "community-detail": {
        "get": Call(row="community"),
        "patch": Call(row="community", body=lambda w: {"adviser": w["staff"].pk}),
    },
    "community-move": {
        "post": Call(row="recruiting community", body=lambda w: {"target": "warming"})
    },
    "community-set-entry-policy": {
        "post": Call(
            row="community",
            body=lambda w: {
                "mode": "rule",
                "criterion": THREE_ORDERS,
                "evidence_axes": [w["axis"].pk],
                "review_hours": 12,
                "requalify_days": 90,
            },
            answers=(201,),
        )
    },
    "entry-policy-list": {"get": Call()},
    "entry-policy-detail": {"get": Call(row="policy")},
    "group-chat-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {
                "channel_account": w["channel account"].pk,
                "external_id": "new",
                "name": "新群",
                "community": w["community"].pk,
                "owner": w["staff"].pk,
            },
            answers=(201,),
        ),
    },
    "group-chat-detail": {
        "get": Call(row="chat"),
        "patch": Call(row="chat", body=lambda w: {"owner": w["staff"].pk}),
    },
    "group-chat-assign": {
        "post": Call(row="empty chat", body=lambda w: {"community": w["community"].pk})
    },
    "join-way-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {
                "community": w["community"].pk,
                "name": "门店海报",
                "source": "store",
                "routes": routes_of(w),
            },
            answers=(201,),
        ),
    },
    "join-way-detail": {
        "get": Call(row="join way"),
        "patch": Call(row="join way", body=lambda w: {"name": "新海报", "source": "store-1"}),
    },
    "join-way-routes": {
        "post": Call(row="join way", body=lambda w: {"routes": routes_of(w)}),
    },
    "join-way-pause": {"post": Call(row="join way")},
    "join-way-resume": {"post": Call(row="paused way")},
    "join-way-close": {"post": Call(row="join way")},
    "join-way-qr-svg": {"get": Call(row="join way")},
    "join-way-qr-png": {"get": Call(row="join way")},
    "classification-axis-list": {
        "get": Call(),
        "post": Call(body=lambda w: {"code": "breed", "name": "品种"}, answers=(201,)),
    },
    "classification-axis-detail": {
        "get": Call(row="axis"),
        "patch": Call(row="axis", body=lambda w: {"name": "地区"}),
    },
    "classification-value-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {
                "axis": w["axis"].pk,
                "code": "sh",
                "name": "上海",
                "parent": w["value"].pk,
            },
            answers=(201,),
        ),
    },
    "classification-value-detail": {
        "get": Call(row="value"),
        "patch": Call(row="value", body=lambda w: {"name": "华东"}),
    },
    "classification-rule-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {"value": w["value"].pk, "criterion": THREE_ORDERS}, answers=(201,)
        ),
    },
    "classification-rule-detail": {
        "get": Call(row="classification rule"),
        "patch": Call(row="classification rule", body=lambda w: {"criterion": THREE_ORDERS}),
        "delete": Call(row="classification rule", answers=(204,)),
    },
    "classification-rule-apply": {"post": Call(row="classification rule")},
    "tier-scheme-list": {
        "get": Call(),
        "post": Call(body=lambda w: {"name": "新方案"}, answers=(201,)),
    },
    "tier-scheme-detail": {
        "get": Call(row="scheme"),
        "patch": Call(row="scheme", body=lambda w: {"name": "改名"}),
    },
    "tier-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {
                "scheme": w["scheme"].pk,
                "rank": 2,
                "name": "金卡",
                "criterion": THREE_ORDERS,
            },
            answers=(201,),
        ),
    },
    "tier-detail": {
        "get": Call(row="tier"),
        "patch": Call(row="tier", body=lambda w: {"name": "银卡", "criterion": THREE_ORDERS}),
        "delete": Call(row="unused tier", answers=(204,)),
    },
}

ADMIN = {
    **transfers.ADMIN,
    "communities.community": "community",
    "communities.entrypolicy": "policy",
    "communities.groupchat": "chat",
    "communities.joinway": "join way",
    "communities.classificationaxis": "axis",
    "communities.classificationvalue": "value",
    "communities.classificationrule": "classification rule",
    "communities.tierscheme": "scheme",
    "communities.tier": "tier",
}

ADMIN_URLS = {
    **transfers.ADMIN_URLS,
    "communities_classificationrule_apply": Call(row="classification rule"),
    "communities_classificationrule_remove": Call(row="classification rule"),
    "communities_joinway_pause": Call(row="join way"),
    "communities_joinway_resume": Call(row="paused way"),
    "communities_joinway_close": Call(row="join way"),
    "communities_tier_take_out": Call(row="unused tier"),
    "communities_tierscheme_retier": Call(row="scheme"),
    "communities_community_edit_threshold": Call(
        row="community",
        body=lambda w: {
            "mode": "rule",
            "criterion": json.dumps(THREE_ORDERS),
            "evidence_axes": [w["axis"].pk],
        },
    ),
    **{
        f"communities_community_move_to_{target}": Call(row="recruiting community")
        for target in CommunityStatus.values
        if target != CommunityStatus.DRAFT
    },
    "communities_groupchat_assign": Call(
        row="empty chat", body=lambda w: {"community": w["community"].pk}
    ),
}
