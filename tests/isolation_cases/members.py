from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from communities.rules.kinds import EntryMode
from tests.communities.factories import CommunityFactory, EntryPolicyFactory
from tests.isolation import Call
from tests.isolation_cases import (
    imports,
    insights,
    member_values,
    owner_days,
    policies,
    predictions,
    splits,
)
from tests.members.entry_factories import BlocklistEntryFactory
from tests.members.factories import (
    ActivityCoverageFactory,
    ActivityEventFactory,
    ChurnScoreFactory,
    DailyRunFactory,
    EntryApplicationFactory,
    EvidenceFactory,
    FollowFactory,
    ImportRunFactory,
    MemberDayFactory,
    MemberFactory,
    MembershipFactory,
    PurchaseFactory,
    StayFactory,
    TierAssignmentFactory,
)
from tests.members.standing_factories import (
    ConsentFactory,
    MemberClassificationFactory,
    MemberTagFactory,
    TagFactory,
)


def build(world):
    home = {"enterprise": world.enterprise}
    world.rows["member"] = MemberFactory(**home, nickname=f"{world.mark}成员")
    world.rows["newcomer"] = MemberFactory(**home, nickname=f"{world.mark}新人")
    world.rows["membership"] = MembershipFactory(
        community=world.rows["community"], member=world.rows["member"]
    )
    world.rows["stay"] = StayFactory(membership=world.rows["membership"], chat=world.rows["chat"])
    world.rows["follow"] = FollowFactory(
        member=world.rows["member"], staff__name=f"{world.mark}跟进人", remark=f"{world.mark}备注"
    )
    world.rows["application"] = EntryApplicationFactory(
        community=world.rows["community"],
        member__nickname=f"{world.mark}申请人",
    )
    world.rows["decided application"] = EntryApplicationFactory(
        community=world.rows["community"],
        member__nickname=f"{world.mark}刚决定的",
        policy=world.rows["policy"],
        status="rejected",
        decided_by=world.administrator,
        settles_at=timezone.now() + timedelta(hours=1),
    )
    world.rows["block"] = BlocklistEntryFactory(
        member__enterprise=world.enterprise,
        member__nickname=f"{world.mark}被屏蔽的",
        community=world.rows["community"],
    )
    world.rows["closed community"] = CommunityFactory(
        **home, name=f"{world.mark}邀请制社群", policy=None
    )
    EntryPolicyFactory(community=world.rows["closed community"], mode=EntryMode.INVITE_ONLY)
    build_activity(world)
    imports.build(world)
    build_standing(world)
    splits.build(world)
    insights.build(world)
    predictions.build(world)
    member_values.build(world)
    owner_days.build(world)
    world.rows["evidence"] = EvidenceFactory(application=world.rows["application"])
    build_tiers(world)


def build_tiers(world):
    world.rows["tier assignment"] = TierAssignmentFactory(
        member=world.rows["member"], tier=world.rows["tier"]
    )
    world.rows["locked assignment"] = TierAssignmentFactory(
        member=world.rows["newcomer"], tier=world.rows["tier"], locked=True
    )
    world.rows["unranked member"] = MemberFactory(
        enterprise=world.enterprise, nickname=f"{world.mark}未定级"
    )


def tier_to_lock(world):
    return {
        "member": world["unranked member"].pk,
        "tier": world["tier"].pk,
        "reason": "创始会员",
    }


def build_standing(world):
    member = world.rows["member"]
    world.rows["classification"] = MemberClassificationFactory(
        member=member, value=world.rows["value"]
    )
    world.rows["tag"] = TagFactory(enterprise=world.enterprise, name=f"{world.mark}标签")
    world.rows["member tag"] = MemberTagFactory(tag=world.rows["tag"], member=member)
    world.rows["consent"] = ConsentFactory(member=member, text_version=f"{world.mark}-1")


def build_activity(world):
    who = {"community": world.rows["community"], "member": world.rows["member"]}
    world.rows["event"] = ActivityEventFactory(**who, thread=f"{world.mark}话题")
    world.rows["member day"] = MemberDayFactory(**who)
    world.rows["coverage"] = ActivityCoverageFactory(
        community=world.rows["community"], source=f"{world.mark}-app"
    )
    world.rows["churn score"] = ChurnScoreFactory(**who)
    world.rows["purchase"] = PurchaseFactory(
        member=world.rows["member"], order_number=f"{world.mark}-1"
    )
    world.rows["daily run"] = DailyRunFactory(
        enterprise=world.enterprise, finished_at=timezone.now()
    )
    rejects = Path(settings.DATA_DIR) / f"{world.mark}.rejects.csv"
    rejects.write_text(world.mark)
    world.rows["import run"] = ImportRunFactory(
        enterprise=world.enterprise,
        file_name=f"{world.mark}.csv",
        rejects_file=str(rejects),
    )


def batch_of(**values):
    return lambda world: {
        "source": "app",
        "items": [{"member": world["member"].external_id, **values}],
    }


def event_in(world):
    return batch_of(
        community=world["community"].code,
        kind="message",
        occurred_at=timezone.now().isoformat(),  # before, nothing is known of the member
        dedupe_key="new",
    )(world)


def single_event_in(world):
    batch = event_in(world)
    return {"source": batch["source"], **batch["items"][0]}


ITEM_BY_ITEM = (207,)  # a batch is answered for each item, and each of these is refused

new_order = batch_of(order_number="new", paid_at="2026-03-01T12:00:00+08:00", paid_amount=100)


def newcomer_to(community):
    return lambda world: {"member": world["newcomer"].pk, "community": world[community].pk}


def inside_community(world):
    return {"metric": "in_community", "op": "is", "value": world["community"].code}


API = {
    **splits.API,
    **imports.API,
    **insights.API,
    **predictions.API,
    **member_values.API,
    **owner_days.API,
    "join-way-figures": {"get": Call(row="join way")},
    "join-way-sources": {"get": Call()},
    "community-capacity": {"get": Call(row="community")},
    "metrics": {"get": Call()},
    "criteria-schema": {"get": Call()},
    "criteria-check": {"post": Call(body=lambda w: {"criterion": {}, "member": w["member"].pk})},
    "criteria-estimate": {"post": Call(body=lambda w: {"criterion": inside_community(w)})},
    "criteria-choices": {"get": Call(query="?metric=in_community")},
    "member-list": {
        "get": Call(),
        "post": Call(body=lambda w: {"external_id": "c-1", "nickname": "新客"}, answers=(201,)),
    },
    "member-detail": {
        "get": Call(row="member"),
        "patch": Call(row="member", body=lambda w: {"nickname": "改名"}),
    },
    **policies.MEMBERS_API,
    "member-classification-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {"member": w["newcomer"].pk, "value": w["value"].pk}, answers=(201,)
        ),
    },
    "member-classification-detail": {"get": Call(row="classification")},
    "member-classification-end": {"post": Call(row="classification")},
    "classification-report": {"get": Call()},
    "tag-list": {
        "get": Call(),
        "post": Call(body=lambda w: {"code": "new", "name": "新标签"}, answers=(201,)),
    },
    "tag-detail": {
        "get": Call(row="tag"),
        "patch": Call(row="tag", body=lambda w: {"name": "改名"}),
    },
    "tag-add": {"post": Call(row="tag", body=lambda w: {"members": [w["newcomer"].pk]})},
    "tag-remove": {"post": Call(row="tag", body=lambda w: {"members": [w["member"].pk]})},
    "consent-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {
                "member": w["member"].pk,
                "purpose": "broadcast",
                "decision": "granted",
                "text_version": "1",
                "source": "api",
            },
            answers=(201,),
        ),
    },
    "consent-detail": {"get": Call(row="consent")},
    "entry-application-list": {
        "get": Call(),
        "post": Call(body=newcomer_to("community"), answers=(201,)),
    },
    "entry-application-detail": {"get": Call(row="application")},
    "entry-application-invite": {
        "post": Call(body=newcomer_to("closed community"), answers=(201,))
    },
    "entry-application-claim-next": {"post": Call(body=lambda w: {"community": w["community"].pk})},
    "entry-application-claim": {"post": Call(row="application")},
    "entry-application-release": {"post": Call(row="application")},
    "entry-application-undo": {"post": Call(row="decided application")},
    "blocklist-entry-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {**newcomer_to("community")(w), "reason": "广告"}, answers=(201,)
        ),
    },
    "blocklist-entry-detail": {"get": Call(row="block")},
    "blocklist-entry-unblock": {"post": Call(row="block")},
    "stay-observe": {
        "post": Call(
            body=lambda w: {"member": w["newcomer"].pk, "chat": w["chat"].pk}, answers=(201,)
        )
    },
    "entry-application-approve": {"post": Call(row="application")},
    "entry-application-reject": {
        "post": Call(row="application", body=lambda w: {"reason": "资料不符"})
    },
    "entry-application-withdraw": {"post": Call(row="application")},
    "evidence-list": {"get": Call()},
    "evidence-detail": {"get": Call(row="evidence")},
    "membership-list": {"get": Call()},
    "membership-detail": {"get": Call(row="membership")},
    "membership-leave": {"post": Call(row="membership", body=lambda w: {"reason": "self"})},
    "follow-list": {"get": Call()},
    "follow-detail": {"get": Call(row="follow")},
    "stay-list": {"get": Call()},
    "stay-detail": {"get": Call(row="stay")},
    "activity-list": {"get": Call(), "post": Call(body=single_event_in, answers=(202,))},
    "activity-batch": {"post": Call(body=event_in, refusals=ITEM_BY_ITEM)},
    "member-day-list": {"get": Call()},
    "purchase-list": {"get": Call()},
    "purchase-batch": {"post": Call(body=new_order, refusals=ITEM_BY_ITEM)},
    "churn-score-list": {"get": Call()},
    "tier-assignment-list": {"get": Call()},
    "tier-assignment-detail": {"get": Call(row="tier assignment")},
    "tier-assignment-lock": {"post": Call(body=tier_to_lock, answers=(201,))},
    "tier-assignment-unlock": {"post": Call(row="locked assignment")},
    "member-retier": {"post": Call(row="member")},
    "tier-scheme-distribution": {"get": Call(row="scheme")},
    "tier-scheme-retier": {"post": Call(row="scheme", answers=(202,))},
}

ADMIN = {
    **splits.ADMIN,
    **predictions.ADMIN,
    **member_values.ADMIN,
    **owner_days.ADMIN,
    "members.member": "member",
    "members.memberclassification": "classification",
    "members.tag": "tag",
    "members.consent": "consent",
    "members.membership": "membership",
    "members.follow": "follow",
    "members.stay": "stay",
    "members.entryapplication": "application",
    "members.blocklistentry": "block",
    "members.evidence": "evidence",
    "members.activityevent": "event",
    "members.activitycoverage": "coverage",
    "members.memberday": "member day",
    "members.churnscore": "churn score",
    "members.dailyrun": None,  # nothing in it has a name
    "members.purchase": "purchase",
    "members.importrun": "import run",
    "members.tierassignment": "tier assignment",
}

ADMIN_URLS = {
    "members_memberclassification_end": Call(row="classification"),
    "members_memberclassification_report": Call(),
    "members_member_classify": Call(row="newcomer", body=lambda w: {"value": w["value"].pk}),
    "members_member_consent": Call(
        row="newcomer",
        body=lambda w: {
            "purpose": "broadcast",
            "decision": "granted",
            "text_version": "1",
            "source": "phone",
        },
    ),
    **splits.ADMIN_URLS,
    **predictions.ADMIN_URLS,
    **member_values.ADMIN_URLS,
    **policies.MEMBERS_ADMIN_URLS,
    "members_member_lock_tier": Call(
        row="unranked member", body=lambda w: {"tier": w["tier"].pk, "reason": "创始会员"}
    ),
    "members_member_retier": Call(row="member"),
    "members_tierassignment_unlock": Call(row="locked assignment"),
    "members_importrun_rejects": Call(row="import run"),
    "members_member_apply": Call(row="newcomer", body=lambda w: {"community": w["community"].pk}),
    "members_member_change_phone": Call(row="member", body=lambda w: {"phone": "13800138000"}),
    "members_membership_leave": Call(row="membership", body=lambda w: {"reason": "removed"}),
    "members_entryapplication_claim_next": Call(),
    "members_entryapplication_claim": Call(row="application"),
    "members_entryapplication_release": Call(row="application"),
    "members_entryapplication_undo": Call(row="decided application"),
    "members_blocklistentry_unblock": Call(row="block"),
    "members_entryapplication_approve": Call(row="application"),
    "members_entryapplication_reject": Call(
        row="application", body=lambda w: {"reason": "资料不符"}
    ),
    "members_entryapplication_withdraw": Call(row="application"),
}
