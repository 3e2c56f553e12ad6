"""Doors of ownership, hand-overs and resignation cases; they belong to communities."""

from django.utils import timezone

from communities.rules.transfers import (
    CaseStatus,
    ItemState,
    NoticeRole,
    Selection,
    TransferStatus,
)
from tests.communities.factories import GroupChatFactory
from tests.communities.transfer_factories import (
    ChatItemFactory,
    ColleagueFactory,
    CustomerItemFactory,
    OwnershipTransferFactory,
    OwnershipViolationFactory,
    ResignationCaseFactory,
    TransferNoticeFactory,
    TransferPolicyFactory,
)
from tests.isolation import Call


def build(world):
    home = {"enterprise": world.enterprise}
    world.rows["giver"] = ColleagueFactory(**home, name=f"{world.mark}群主")
    world.rows["receiver"] = ColleagueFactory(**home, name=f"{world.mark}接手人")
    world.rows["transfer policy"] = TransferPolicyFactory(
        **home,
        name=f"{world.mark}转让规则",
        selection=Selection.FIXED,
        tier=world.rows["tier"],
        value=world.rows["value"],
    )
    world.rows["transfer policy"].receivers.create(staff=world.rows["receiver"])
    world.rows["former policy"] = TransferPolicyFactory(
        **home, name=f"{world.mark}旧转让规则", kind="flash", is_active=False
    )
    build_transfers(world)
    world.rows["transfer notice"] = TransferNoticeFactory(
        item=world.rows["verified item"],
        role=NoticeRole.RECEIVER,
        words=f"{world.mark}说明",
    )
    handed = world.rows["handed chat"]
    world.rows["ownership period"] = handed.ownership_periods.get(ended_at=None)
    world.rows["violation"] = OwnershipViolationFactory(chat=handed, note=f"{world.mark}说明")
    build_case(world)


def build_transfers(world):
    world.rows["transfer"], item = transfer_of(world, TransferStatus.DRAFT, ItemState.PLANNED)
    world.rows["transfer item"] = item
    world.rows["owned chat"] = item.chat
    CustomerItemFactory(
        transfer=world.rows["transfer"],
        channel_account=item.channel_account,
        external_userid=f"wm{world.mark}",
        giver=world.rows["giver"],
        receiver=world.rows["receiver"],
        state=ItemState.BLOCKED,
    )
    world.rows["waiting transfer"], world.rows["waiting item"] = transfer_of(
        world, TransferStatus.AWAITING_APPROVAL, ItemState.PENDING
    )
    world.rows["failed transfer"], world.rows["failed item"] = transfer_of(
        world,
        TransferStatus.FAILED,
        ItemState.FAILED,
        reason="platform_refused",
        platform_message=f"{world.mark} refused",
    )
    world.rows["verified transfer"], verified = transfer_of(
        world, TransferStatus.VERIFIED, ItemState.VERIFIED, is_handed=True
    )
    world.rows["verified item"], world.rows["handed chat"] = verified, verified.chat


def transfer_of(world, status, state, *, is_handed=False, case=None, **fields):
    """A hand-over of one chat, planned by a colleague of the administrator."""
    transfer = OwnershipTransferFactory(
        enterprise=world.enterprise,
        status=status,
        case=case,
        created_by=None if case else world.rows["user"],
        reason=f"{world.mark}事由",
    )
    giver, receiver = world.rows["giver"], world.rows["receiver"]
    owner = receiver if is_handed else giver
    chat = GroupChatFactory(
        enterprise=world.enterprise,
        community=None,
        channel_account=world.rows["wecom connection"].account,
        name=f"{world.mark}{state}群",
        owner=owner,
        owner_userid=owner.external_id,
    )
    item = ChatItemFactory(
        transfer=transfer,
        giver=giver,
        receiver=receiver,
        chat=chat,
        state=state,
        verified_at=timezone.now() if is_handed else None,
        is_announced=is_handed,
        **fields,
    )
    return transfer, item


def build_case(world):
    leaver = ColleagueFactory(
        enterprise=world.enterprise, name=f"{world.mark}离职员工", is_active=False
    )
    world.rows["leaver"] = leaver
    world.rows["case"] = ResignationCaseFactory(
        staff=leaver, status=CaseStatus.AWAITING_APPROVAL, trouble=f"{world.mark}受阻"
    )
    world.rows["case transfer"], _item = transfer_of(
        world,
        TransferStatus.AWAITING_APPROVAL,
        ItemState.PENDING,
        case=world.rows["case"],
    )


API = {
    "transfer-policy-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {
                "name": "城市群给同城同事",
                "tier": w["tier"].pk,
                "selection": "by_classification",
                "fallback": "least_loaded",
                "maximum": 300,
                "receivers": [{"staff": w["receiver"].pk, "value": w["value"].pk}],
            },
            answers=(201,),
        ),
    },
    "transfer-policy-detail": {
        "get": Call(row="transfer policy"),
        "patch": Call(
            row="transfer policy", body=lambda w: {"receivers": [{"staff": w["giver"].pk}]}
        ),
    },
    "transfer-policy-deactivate": {"post": Call(row="transfer policy")},
    "transfer-policy-reactivate": {"post": Call(row="former policy")},
    "ownership-transfer-list": {
        "get": Call(),
        "post": Call(
            body=lambda w: {
                "chats": [w["owned chat"].pk],
                "communities": [w["recruiting community"].pk],
                "receivers": [w["receiver"].pk],
                "reason": "岗位调整",
            },
            answers=(201,),
        ),
    },
    "ownership-transfer-detail": {"get": Call(row="transfer")},
    "ownership-transfer-receivers": {"get": Call()},
    "ownership-transfer-preflight": {"post": Call(row="transfer")},
    "ownership-transfer-submit": {"post": Call(row="transfer")},
    "ownership-transfer-approve": {"post": Call(row="waiting transfer")},
    "ownership-transfer-reject": {
        "post": Call(row="waiting transfer", body=lambda w: {"reason": "先等一等"})
    },
    "ownership-transfer-cancel": {"post": Call(row="transfer")},
    "ownership-transfer-assign-receiver": {
        "post": Call(
            row="waiting transfer",
            body=lambda w: {"items": [w["waiting item"].pk], "receiver": w["receiver"].pk},
        )
    },
    "ownership-transfer-retry": {
        "post": Call(row="failed transfer", body=lambda w: {"items": [w["failed item"].pk]})
    },
    "ownership-transfer-waive": {
        "post": Call(
            row="failed transfer",
            body=lambda w: {"items": [w["failed item"].pk], "reason": "群已不用"},
        )
    },
    "ownership-transfer-return": {
        "post": Call(
            row="verified transfer",
            body=lambda w: {"items": [w["verified item"].pk]},
            answers=(201,),
        )
    },
    "transfer-item-list": {"get": Call()},
    "transfer-item-detail": {"get": Call(row="transfer item")},
    "transfer-notice-list": {"get": Call()},
    "transfer-notice-detail": {"get": Call(row="transfer notice")},
    "ownership-period-list": {"get": Call()},
    "ownership-period-detail": {"get": Call(row="ownership period")},
    "ownership-violation-list": {"get": Call()},
    "ownership-violation-detail": {"get": Call(row="violation")},
    "ownership-violation-accept": {
        "post": Call(row="violation", body=lambda w: {"note": "店长同意"})
    },
    "resignation-case-list": {
        "get": Call(),
        "post": Call(body=lambda w: {"staff": w["former staff"].pk}, answers=(201,)),
    },
    "resignation-case-detail": {"get": Call(row="case")},
    "resignation-case-approve": {"post": Call(row="case")},
    "resignation-case-reject": {"post": Call(row="case", body=lambda w: {"reason": "先等一等"})},
    "resignation-case-replan": {"post": Call(row="case")},
}

ADMIN = {
    "communities.ownershiptransfer": "transfer",
    "communities.transferitem": "transfer item",
    "communities.transferpolicy": "transfer policy",
    "communities.resignationcase": "case",
    "communities.ownershipviolation": "violation",
}

REASON = {"reason": "先等一等"}


def to_receiver(world):
    return {"receiver": world["receiver"].pk}


ADMIN_URLS = {
    "communities_ownershiptransfer_receivers": Call(
        body=lambda w: {"do": "draft", "way": "chosen", "receivers": [w["receiver"].pk]}
    ),
    "communities_ownershiptransfer_submit": Call(row="transfer"),
    "communities_ownershiptransfer_preflight": Call(row="transfer"),
    "communities_ownershiptransfer_approve": Call(row="waiting transfer"),
    "communities_ownershiptransfer_reject": Call(row="waiting transfer", body=lambda w: REASON),
    "communities_ownershiptransfer_retry": Call(row="failed transfer"),
    "communities_ownershiptransfer_assign": Call(row="failed transfer", body=to_receiver),
    "communities_ownershiptransfer_waive": Call(row="failed transfer", body=lambda w: REASON),
    "communities_ownershiptransfer_return_back": Call(row="verified transfer"),
    "communities_ownershiptransfer_cancel": Call(row="transfer", body=lambda w: REASON),
    "communities_transferitem_retry": Call(row="failed item"),
    "communities_transferitem_assign": Call(row="failed item", body=to_receiver),
    "communities_transferitem_waive": Call(row="failed item", body=lambda w: REASON),
    "communities_transferpolicy_deactivate": Call(row="transfer policy"),
    "communities_transferpolicy_reactivate": Call(row="former policy"),
    "communities_ownershipviolation_accept": Call(
        row="violation", body=lambda w: {"note": "店长同意"}
    ),
    "communities_resignationcase_approve": Call(row="case"),
    "communities_resignationcase_reject": Call(row="case", body=lambda w: REASON),
    "communities_resignationcase_replan": Call(row="case"),
    "communities_groupchat_hand_over": Call(row="owned chat"),
    "accounts_staff_hand_over": Call(row="giver"),
    "accounts_staff_resign": Call(row="giver"),
}
