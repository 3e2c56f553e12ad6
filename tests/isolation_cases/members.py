from communities.rules.kinds import EntryMode
from tests.communities.factories import CommunityFactory, EntryPolicyFactory
from tests.isolation import Call
from tests.members.factories import (
    EntryApplicationFactory,
    MemberFactory,
    MembershipFactory,
    StayFactory,
)


def build(world):
    home = {"enterprise": world.enterprise}
    world.rows["member"] = MemberFactory(**home, nickname=f"{world.mark}成员")
    world.rows["newcomer"] = MemberFactory(**home, nickname=f"{world.mark}新人")
    world.rows["membership"] = MembershipFactory(
        community=world.rows["community"], member=world.rows["member"]
    )
    world.rows["stay"] = StayFactory(membership=world.rows["membership"], chat=world.rows["chat"])
    world.rows["application"] = EntryApplicationFactory(
        community=world.rows["community"],
        member__nickname=f"{world.mark}申请人",
    )
    world.rows["closed community"] = CommunityFactory(
        **home, name=f"{world.mark}邀请制社群", policy=None
    )
    EntryPolicyFactory(community=world.rows["closed community"], mode=EntryMode.INVITE_ONLY)


def newcomer_to(community):
    return lambda world: {"member": world["newcomer"].pk, "community": world[community].pk}


API = {
    "metrics": {"get": Call()},
    "member-list": {
        "get": Call(),
        "post": Call(body=lambda w: {"external_id": "c-1", "nickname": "新客"}, answers=(201,)),
    },
    "member-detail": {
        "get": Call(row="member"),
        "patch": Call(row="member", body=lambda w: {"nickname": "改名"}),
    },
    "entry-application-list": {
        "get": Call(),
        "post": Call(body=newcomer_to("community"), answers=(201,)),
    },
    "entry-application-detail": {"get": Call(row="application")},
    "entry-application-invite": {
        "post": Call(body=newcomer_to("closed community"), answers=(201,))
    },
    "entry-application-approve": {"post": Call(row="application")},
    "entry-application-reject": {
        "post": Call(row="application", body=lambda w: {"reason": "资料不符"})
    },
    "entry-application-withdraw": {"post": Call(row="application")},
    "membership-list": {"get": Call()},
    "membership-detail": {"get": Call(row="membership")},
    "membership-leave": {"post": Call(row="membership", body=lambda w: {"reason": "self"})},
    "stay-list": {"get": Call()},
    "stay-detail": {"get": Call(row="stay")},
}

ADMIN = {
    "members.member": "member",
    "members.membership": "membership",
    "members.stay": "stay",
    "members.entryapplication": "application",
}

ADMIN_URLS = {
    "members_member_apply": Call(row="newcomer", body=lambda w: {"community": w["community"].pk}),
    "members_member_change_phone": Call(row="member", body=lambda w: {"phone": "13800138000"}),
    "members_membership_leave": Call(row="membership", body=lambda w: {"reason": "removed"}),
    "members_entryapplication_approve": Call(row="application"),
    "members_entryapplication_reject": Call(
        row="application", body=lambda w: {"reason": "资料不符"}
    ),
    "members_entryapplication_withdraw": Call(row="application"),
}
