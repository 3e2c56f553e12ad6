"""The part of members' cases that is about splitting communities."""

from members.models import SplitInvitation
from members.services.splitting import draft_split
from members.services.starting_splits import start_split
from tests.communities.factories import CommunityFactory
from tests.isolation import Call
from tests.members.factories import MemberFactory, MembershipFactory
from tests.members.standing_factories import MemberClassificationFactory


def build(world):
    draft = plan_for(world, "大群")
    world.rows["split plan"] = draft
    world.rows["split branch"] = draft.branches.get()
    running = plan_for(world, "拆开的群")
    start_split(running.pk, actor=world.administrator)
    world.rows["running split"] = running
    world.rows["running branch"] = running.branches.get()
    world.rows["split invitation"] = SplitInvitation.objects.get(branch__plan=running)


def plan_for(world, name):
    community = CommunityFactory(
        enterprise=world.enterprise, name=f"{world.mark}{name}", owner=world.rows["staff"]
    )
    member = MemberFactory(enterprise=world.enterprise, nickname=f"{world.mark}{name}的人")
    MembershipFactory(community=community, member=member)
    MemberClassificationFactory(member=member, value=world.rows["value"])
    axes = [world.rows["axis"]]
    return draft_split(community, axes=axes, minimum_size=1, actor=world.administrator)


def split_of(world):
    return {"community": world["community"].pk, "axes": [world["axis"].pk]}


API = {
    "split-plan-list": {"get": Call(), "post": Call(body=split_of, answers=(201,))},
    "split-plan-detail": {"get": Call(row="split plan")},
    "split-plan-preview": {"post": Call(body=split_of)},
    "split-plan-refresh": {"post": Call(row="split plan")},
    "split-plan-start": {"post": Call(row="split plan")},
    "split-plan-complete": {"post": Call(row="running split")},
    "split-plan-cancel": {"post": Call(row="running split")},
    "split-branch-list": {"get": Call()},
    "split-branch-detail": {
        "get": Call(row="split branch"),
        "patch": Call(row="split branch", body=lambda w: {"name": "新名称"}),
    },
    "split-branch-choose": {
        "post": Call(row="split branch", body=lambda w: {"override_reason": "试点"})
    },
    "split-branch-skip": {"post": Call(row="split branch")},
    "split-branch-invite": {"post": Call(row="running branch")},
    "split-invitation-list": {"get": Call()},
    "split-invitation-detail": {"get": Call(row="split invitation")},
    "split-invitation-decline": {"post": Call(row="split invitation")},
}

ADMIN = {
    "communities.splitplan": "split plan",
    "members.splitinvitation": "split invitation",
}

ADMIN_URLS = {
    "communities_community_split": Call(row="community", body=lambda w: {"axes": [w["axis"].pk]}),
    "communities_splitplan_start": Call(row="split plan"),
    "communities_splitplan_refresh": Call(row="split plan"),
    "communities_splitplan_invite": Call(
        row="running split", body=lambda w: {"branches": [w["running branch"].pk]}
    ),
    "communities_splitplan_complete": Call(row="running split"),
    "communities_splitplan_cancel": Call(row="split plan"),
    "members_splitinvitation_decline": Call(row="split invitation"),
}
