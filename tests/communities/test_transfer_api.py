"""Hand-overs over HTTP, from the draft to the way back, and all that may be asked wrongly."""

import pytest
from rest_framework.test import APIClient

from communities.models import (
    GroupChat,
    OwnershipTransfer,
    TransferItem,
    TransferNotice,
    TransferPolicy,
)
from communities.rules.transfers import ItemState, NoticeState
from communities.services.ownership.owning import name_owner
from members.models.member import IdentityKind, MemberIdentity
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import Capability, DataScope, Role
from scrm.shared.crypto import lookup_digest
from tests.accounts.factories import ApiKeyFactory, StaffFactory, UserFactory, plain_key_of
from tests.communities.factories import ClassificationValueFactory, GroupChatFactory, TierFactory
from tests.communities.transfer_factories import ChatItemFactory, CustomerItemFactory
from tests.communities.transfer_worlds import Office, platform_says
from tests.members.factories import FollowFactory, MemberFactory
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db

TRANSFERS = "/api/v1/ownership-transfers/"
ITEMS = "/api/v1/transfer-items/"
NOTICES = "/api/v1/transfer-notices/"
POLICIES = "/api/v1/transfer-policies/"


@pytest.fixture
def office():
    return Office("赵敏", "周舟")


def client_of(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def api(office):
    return client_of(office.author)


@pytest.fixture
def boss(office):
    return client_of(office.boss)


def drafted(api, office, count=1, **body):
    chats = [office.chat().pk for _ in range(count)]
    answer = api.post(TRANSFERS, {"chats": chats, "receivers": [office.receiver.pk], **body})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def act(api, transfer, verb, **body):
    return api.post(f"{TRANSFERS}{transfer['id']}/{verb}/", body)


def states(counts):
    return {each["state"]: each["count"] for each in counts}


# --- the whole thread ---


def test_a_hand_over_from_the_draft_to_the_way_back(api, boss, office):
    draft = drafted(api, office, 3, reason="岗位调整")
    assert (draft["status"], draft["needs_approval"]) == ("draft", True)
    assert states(draft["counts"]) == {"planned": 3}
    assert draft["available_actions"] == [
        "preflight",
        "submit",
        "assign_receiver",
        "waive",
        "cancel",
    ]

    submitted = act(api, draft, "submit").json()
    assert submitted["status"] == "awaiting_approval"
    refused = act(api, draft, "approve")
    assert (refused.status_code, refused.json()["code"]) == (409, "approver_is_author")
    approved = act(boss, draft, "approve").json()
    assert (approved["status"], approved["approved_by"]) == ("submitted", office.boss.pk)

    rows = api.get(ITEMS, {"transfer": draft["id"]}).json()["results"]
    assert [row["state"] for row in rows] == ["queued"] * 3
    assert {row["giver_name"] for row in rows} == {"林乔"}
    assert {row["receiver_name"] for row in rows} == {"赵敏"}

    platform_says(OwnershipTransfer.objects.get(pk=draft["id"]), ItemState.VERIFIED)
    for chat in GroupChat.objects.filter(owner=office.giver):
        chat.owner = office.receiver
        chat.save()
        name_owner(chat)
    done = api.get(f"{TRANSFERS}{draft['id']}/").json()
    assert (done["status"], done["available_actions"]) == ("verified", ["return"])
    assert done["notices"] == [{"state": "planned", "count": 2}]

    back = act(api, draft, "return")
    assert back.status_code == 201
    assert (back.json()["status"], back.json()["return_of"]) == ("draft", draft["id"])
    (row, *_others) = api.get(ITEMS, {"transfer": back.json()["id"]}).json()["results"]
    assert (row["receiver_name"], row["selection"]) == ("林乔", "chosen")
    assert AuditEvent.objects.filter(verb="approve_transfer", actor=office.boss).count() == 1


def test_the_preflight_tells_who_gets_how_much_what_is_blocked_and_in_how_many_days(api, office):
    chats = [office.chat().pk, office.chat(owner=office.receiver).pk]
    answer = api.post(TRANSFERS, {"chats": chats, "receivers": [office.receiver.pk]})

    preflight = answer.json()["preflight"]

    assert (preflight["ready"], preflight["blocked"]) == (1, 1)
    (share,) = preflight["receivers"]
    assert share == {
        "receiver": office.receiver.pk,
        "receiver_name": "赵敏",
        "subject": "chat",
        "count": 1,
        "owned": 1,
        "incoming": 0,
    }
    (reason,) = preflight["reasons"]
    assert (reason["code"], reason["count"]) == ("receiver_is_owner", 1)
    assert "请另选一位" in reason["words"]
    quota = next(each for each in preflight["quotas"] if each["giver"] == office.giver.pk)
    assert (quota["giver_name"], quota["left"], quota["asked"]) == ("林乔", 300, 1)
    assert quota["days"] == 1


def test_a_preflight_plans_again_with_how_things_are_now(api, office):
    draft = drafted(api, office, 2)
    office.receiver.can_use_customer_group = False
    office.receiver.save()

    answer = act(api, draft, "preflight").json()

    assert (answer["ready"], answer["blocked"]) == (0, 2)
    assert [each["code"] for each in answer["reasons"]] == ["receiver_not_allowed"]


def test_a_plan_may_be_changed_rejected_changed_and_submitted_again(api, boss, office):
    draft = drafted(api, office, 2)
    act(api, draft, "submit")
    (first, second) = api.get(ITEMS, {"transfer": draft["id"]}).json()["results"]
    body = {"receiver": office.receivers[1].pk, "items": [second["id"]]}
    assert act(boss, draft, "assign-receiver", **body).status_code == 200
    refused = act(boss, draft, "approve")
    assert refused.json()["code"] == "approver_is_author"  # who changed it wrote it

    rejected = act(boss, draft, "reject", reason="先别动这个群").json()
    assert (rejected["status"], rejected["rejection"]) == ("rejected", "先别动这个群")
    waived = act(api, draft, "waive", items=[first["id"]], reason="群已不用").json()
    assert states(waived["counts"]) == {"planned": 1, "waived": 1}
    act(api, draft, "submit")
    (row,) = api.get(ITEMS, {"transfer": draft["id"], "state": "pending"}).json()["results"]
    assert row["receiver_name"] == "周舟"


def test_what_failed_is_explained_and_retried(api, boss, office):
    draft = drafted(api, office, 2)
    act(api, draft, "submit")
    act(boss, draft, "approve")
    transfer = OwnershipTransfer.objects.get(pk=draft["id"])
    item, other = transfer.items.order_by("pk")
    platform_says(
        transfer,
        ItemState.FAILED,
        item,
        reason="platform_refused",
        platform_code=40098,
        platform_message="not real name",
    )
    platform_says(transfer, ItemState.VERIFIED, other)

    (row,) = api.get(ITEMS, {"state": "failed"}).json()["results"]
    assert "实名" in row["words"]
    assert "40098" in row["words"]
    seen = api.get(f"{TRANSFERS}{draft['id']}/").json()
    assert seen["status"] == "partially_succeeded"
    assert {"retry", "waive", "assign_receiver"} <= set(seen["available_actions"])
    retried = act(api, draft, "retry", items=[row["id"]]).json()
    assert states(retried["counts"]) == {"queued": 1, "verified": 1}


def test_what_was_not_sent_can_be_cancelled(api, office):
    draft = drafted(api, office)

    cancelled = act(api, draft, "cancel", reason="不转了").json()

    assert (cancelled["status"], cancelled["available_actions"]) == ("cancelled", [])
    again = act(api, draft, "cancel")
    assert (again.status_code, again.json()["code"]) == (409, "transfer_not_open")


# --- what is asked wrongly ---


def refused_fields(answer):
    assert answer.status_code == 400, answer.json()
    return {error["attr"] for error in answer.json()["errors"]}


def wrong(office, **body):
    return {"chats": [office.chat().pk], **body}


BAD_DRAFTS = [
    ("chats", lambda o: {}),
    ("chats", lambda o: {"chats": []}),
    ("chats", lambda o: {"chats": [999_999_999]}),
    ("chats", lambda o: {"chats": [GroupChatFactory().pk]}),
    ("chats", lambda o: {"chats": [*range(1, 3002)]}),
    ("chats", lambda o: {"chats": "all"}),
    ("chats", lambda o: {"chats": None}),
    ("chats.0", lambda o: {"chats": [0]}),
    ("chats.0", lambda o: {"chats": [2**63]}),
    ("chats", lambda o: {"chats": ["1"]}),
    ("communities", lambda o: {"communities": [999_999_999]}),
    ("receivers", lambda o: wrong(o, receivers=[StaffFactory().pk])),
    ("receivers", lambda o: wrong(o, receivers=[*range(1, 300)])),
    ("customers_of", lambda o: {"customers_of": StaffFactory().pk}),
    ("everything_of", lambda o: {"everything_of": StaffFactory().pk}),
    ("message", lambda o: wrong(o, message="长" * 201)),
    ("reason", lambda o: wrong(o, reason="长" * 301)),
    ("approve", lambda o: wrong(o, approve=True)),
    ("status", lambda o: wrong(o, status="verified")),
    (
        "customers_of",
        lambda o: {"customers": [{"channel_account": o.account.pk, "external_userids": ["a"]}]},
    ),
    (
        "customers.0.channel_account",
        lambda o: {
            "customers_of": o.giver.pk,
            "customers": [
                {"channel_account": ChannelAccountFactory().pk, "external_userids": ["a"]}
            ],
        },
    ),
    (
        "customers",
        lambda o: {
            "customers_of": o.giver.pk,
            "customers": [
                {
                    "channel_account": o.account.pk,
                    "external_userids": [f"wm{n}" for n in range(part, part + 1501)],
                }
                for part in (0, 5000)
            ],
        },
    ),
]


def test_a_draft_that_cannot_be_right_is_refused_by_its_field(api, office):
    for field, body in BAD_DRAFTS:
        assert field in refused_fields(api.post(TRANSFERS, body(office)))
    assert not OwnershipTransfer.objects.exists()


def test_a_chat_that_is_named_twice_is_taken_once(api, office):
    chat = office.chat().pk

    answer = api.post(TRANSFERS, {"chats": [chat, chat], "receivers": [office.receiver.pk]})

    assert states(answer.json()["counts"]) == {"planned": 1}


def test_who_owns_a_chat_does_not_receive_it(api, office):
    draft = drafted(api, office, receivers=[office.giver.pk])

    (row,) = api.get(ITEMS, {"transfer": draft["id"]}).json()["results"]
    refused = act(api, draft, "submit")

    assert (row["state"], row["reason"]) == ("blocked", "receiver_is_owner")
    assert "请另选一位" in row["words"]
    assert (refused.status_code, refused.json()["code"]) == (409, "transfer_not_possible")
    assert refused.json()["details"] == {"reasons": {"receiver_is_owner": 1}}


def test_a_chat_is_in_one_open_hand_over(api, office):
    first = drafted(api, office)
    (row,) = api.get(ITEMS, {"transfer": first["id"]}).json()["results"]
    second = api.post(TRANSFERS, {"chats": [row["chat"]], "receivers": [office.receiver.pk]}).json()

    assert act(api, first, "submit").status_code == 200
    refused = act(api, second, "submit")

    assert (refused.status_code, refused.json()["code"]) == (409, "chat_in_transfer")


def test_a_verb_that_is_asked_wrongly_is_refused(boss, api, office):
    draft = drafted(api, office)
    for verb, body, field in [
        ("reject", {}, "reason"),
        ("reject", {"reason": "  "}, "reason"),
        ("waive", {}, "reason"),
        ("waive", {"reason": "x", "items": []}, "items"),
        ("waive", {"reason": "x", "items": [999_999_999]}, "items"),
        ("retry", {"items": "all"}, "items"),
        ("assign-receiver", {}, "receiver"),
        ("assign-receiver", {"receiver": 999_999_999}, "receiver"),
        ("submit", {"force": True}, "force"),
    ]:
        assert field in refused_fields(act(boss, draft, verb, **body))
    assert act(api, draft, "submit").status_code == 200


def test_items_of_another_hand_over_or_enterprise_cannot_be_named(api, office):
    draft, other = drafted(api, office), drafted(api, office)
    (ours,) = TransferItem.objects.filter(transfer=other["id"])
    theirs = ChatItemFactory()

    for item in (ours, theirs):
        answer = act(api, draft, "waive", items=[item.pk], reason="x")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["attr"] == "items"
    assert not TransferItem.objects.filter(state=ItemState.WAIVED).exists()


def test_a_receiver_who_may_not_receive_cannot_be_assigned(api, office):
    draft = drafted(api, office)
    stranger = office.colleague("没有权限", can_use_customer_group=False)

    answer = act(api, draft, "assign-receiver", receiver=stranger.pk)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == "receiver"


# --- how much is told, and to whom ---


def test_answers_count_items_and_never_list_them(api, office, django_assert_max_num_queries):
    draft = drafted(api, office, 60)

    with django_assert_max_num_queries(8):
        (row,) = api.get(TRANSFERS).json()["results"]
    seen = api.get(f"{TRANSFERS}{draft['id']}/")

    assert "items" not in row
    assert len(seen.content) < 6000
    page = api.get(ITEMS, {"transfer": draft["id"], "page_size": 50}).json()
    assert (len(page["results"]), page["has_more"]) == (50, True)


def test_lists_are_read_with_few_queries(api, office, django_assert_max_num_queries):
    for _ in range(3):
        drafted(api, office, 2)
    client = api
    for url in (TRANSFERS, ITEMS, NOTICES, POLICIES):
        with django_assert_max_num_queries(8):
            assert client.get(url).status_code == 200


def test_hand_overs_and_items_are_found_by_what_they_are_about(api, office):
    first, second = drafted(api, office), drafted(api, office, receivers=[office.receivers[1].pk])
    (row,) = api.get(ITEMS, {"transfer": first["id"]}).json()["results"]

    def found(**query):
        return [each["id"] for each in api.get(TRANSFERS, query).json()["results"]]

    assert found(chat=row["chat"]) == [first["id"]]
    assert found(receiver=office.receivers[1].pk) == [second["id"]]
    assert found(giver=office.giver.pk) == [second["id"], first["id"]]
    assert found(status="verified") == []
    assert api.get(ITEMS, {"receiver": office.giver.pk}).json()["results"] == []
    assert api.get(ITEMS, {"statee": "failed"}).status_code == 400
    assert api.get(TRANSFERS, {"giver": StaffFactory().pk}).status_code == 400


def test_receivers_are_offered_with_their_load_and_why_they_may_not(api, office):
    office.chat(owner=office.receiver)
    office.colleague("没有权限", can_use_customer_group=False)
    TransferPolicy.objects.create(
        enterprise=office.enterprise, name="上限", selection="least_loaded", maximum=5
    )

    rows = api.get(f"{TRANSFERS}receivers/", {"subject": "chat"}).json()
    loads = {row["name"]: row for row in rows}

    assert (loads["赵敏"]["owned"], loads["赵敏"]["left"]) == (1, 4)
    assert loads["没有权限"]["refusal"] == "receiver_not_allowed"
    assert "客户联系" in loads["没有权限"]["words"]
    assert [row["name"] for row in api.get(f"{TRANSFERS}receivers/?search=赵").json()] == ["赵敏"]
    assert api.get(f"{TRANSFERS}receivers/?subject=tea").status_code == 400
    assert api.get(f"{TRANSFERS}receivers/?sort=load").status_code == 400


def test_customers_are_named_to_those_who_may_see_members(api, office):
    item = CustomerItemFactory(
        transfer__enterprise=office.enterprise,
        channel_account=office.account,
        giver=office.giver,
    )
    member = MemberFactory(enterprise=office.enterprise, nickname="小舟")
    kind = IdentityKind.EXTERNAL_USERID
    digest = lookup_digest(item.external_userid, purpose=kind, enterprise_id=office.enterprise.pk)
    MemberIdentity.objects.create(
        enterprise=office.enterprise,
        member=member,
        kind=kind,
        value=item.external_userid,
        digest=digest,
    )
    key = ApiKeyFactory(user=office.author, scopes=[Capability.VIEW_COMMUNITIES.value])
    narrow = APIClient(HTTP_AUTHORIZATION=f"Bearer {plain_key_of(key)}")

    (row,) = api.get(ITEMS).json()["results"]
    (same,) = narrow.get(ITEMS).json()["results"]

    assert row["customer_name"] == "小舟"
    assert api.get(f"{ITEMS}{row['id']}/").json()["customer_name"] == "小舟"
    assert same["customer_name"] == ""


def test_customers_of_a_colleague_are_handed_over_all_or_some(api, office):
    follows = [
        FollowFactory(
            member__enterprise=office.enterprise,
            channel_account=office.account,
            staff=office.giver,
        )
        for _ in range(3)
    ]
    some = {
        "customers_of": office.giver.pk,
        "customers": [
            {
                "channel_account": office.account.pk,
                "external_userids": [follows[0].external_userid],
            }
        ],
        "receivers": [office.receiver.pk],
    }

    part = api.post(TRANSFERS, some).json()
    whole = api.post(TRANSFERS, {**some, "customers": []}).json()

    assert [each["count"] for each in part["counts"]] == [1]
    assert [(each["subject"], each["count"]) for each in whole["counts"]] == [("customer", 3)]


def test_planning_and_approving_are_two_rights(api, office):
    draft = drafted(api, office)
    for role, verb, code in [
        (Role.READ_ONLY, "submit", 403),
        (Role.REVIEWER, "submit", 403),
        (Role.OPERATOR, "approve", 403),
        (Role.OPERATOR, "submit", 200),
    ]:
        client = client_of(UserFactory(enterprise=office.enterprise, role=role))
        assert act(client, draft, verb).status_code == code
        assert client.get(f"{TRANSFERS}{draft['id']}/").status_code == 200


def test_a_reviewer_approves_what_an_operator_submits(office):
    operator, reviewer = (
        client_of(UserFactory(enterprise=office.enterprise, role=role))
        for role in (Role.OPERATOR, Role.REVIEWER)
    )
    draft = drafted(operator, office)
    assert act(operator, draft, "submit").json()["available_actions"] == [
        "preflight",
        "assign_receiver",
        "waive",
        "cancel",
    ]

    assert reviewer.get(f"{TRANSFERS}{draft['id']}/").json()["available_actions"] == [
        "approve",
        "reject",
    ]
    assert act(reviewer, draft, "approve").json()["status"] == "submitted"


def test_who_sees_only_their_own_communities_sees_only_their_own_hand_overs(api, office):
    draft = drafted(api, office)
    narrow = UserFactory(
        enterprise=office.enterprise,
        staff=office.receivers[1],
        data_scope=DataScope.OWN_COMMUNITIES,
    )
    client = client_of(narrow)

    assert client.get(TRANSFERS).json()["results"] == []
    assert client.get(ITEMS).json()["results"] == []
    assert client.get(f"{TRANSFERS}{draft['id']}/").status_code == 404
    assert act(client, draft, "submit").status_code == 404
    refused = client.post(TRANSFERS, {"chats": [office.chat().pk]})
    assert refused.status_code == 400


def test_notices_are_shown_with_what_became_of_them(api, boss, office):
    draft = drafted(api, office, 2)
    act(api, draft, "submit")
    act(boss, draft, "approve")
    platform_says(OwnershipTransfer.objects.get(pk=draft["id"]), ItemState.VERIFIED)
    TransferNotice.objects.filter(role="giver").update(
        state=NoticeState.SKIPPED, words="已离职，不通知。", due_at=None
    )

    rows = api.get(NOTICES, {"transfer": draft["id"]}).json()["results"]

    assert {(row["role"], row["staff_name"], row["chats"], row["state"]) for row in rows} == {
        ("giver", "林乔", 2, "skipped"),
        ("receiver", "赵敏", 2, "planned"),
    }
    assert api.get(f"{NOTICES}{rows[0]['id']}/").json() == rows[0]
    assert api.get(NOTICES, {"state": "sent"}).json()["results"] == []


# --- policies ---


def test_a_policy_is_made_edited_switched_off_and_on(api, office):
    value = ClassificationValueFactory(axis__enterprise=office.enterprise, name="华东")
    body = {
        "name": "华东给赵敏",
        "kind": "store",
        "selection": "by_classification",
        "fallback": "least_loaded",
        "maximum": 200,
        "receivers": [{"staff": office.receiver.pk, "value": value.pk}],
    }

    made = api.post(POLICIES, body).json()
    assert (made["subject"], made["needs_approval"], made["maximum"]) == ("chat", True, 200)
    assert made["receivers"] == [
        {
            "staff": office.receiver.pk,
            "staff_name": "赵敏",
            "value": value.pk,
            "value_name": "华东",
        }
    ]
    url = f"{POLICIES}{made['id']}/"
    changed = api.patch(url, {"maximum": None, "needs_approval": False}).json()
    assert (changed["maximum"], changed["needs_approval"]) == (None, False)
    assert changed["receivers"] == made["receivers"]
    off = api.post(f"{url}deactivate/").json()
    assert (off["is_active"], off["available_actions"]) == (False, ["edit", "reactivate"])
    assert api.get(POLICIES, {"is_active": "true"}).json()["results"] == []
    assert api.post(f"{url}reactivate/").json()["is_active"] is True


def test_a_policy_that_cannot_be_right_is_refused(api, office):
    for field, body in [
        ("selection", {"selection": "chosen"}),
        ("selection", {"selection": "backup_owner", "subject": "customer"}),
        ("maximum", {"maximum": -1}),
        ("maximum", {"maximum": "many"}),
        ("kind", {"kind": "tea"}),
        ("tier", {"tier": TierFactory().pk}),
        ("value", {"value": ClassificationValueFactory().pk}),
        ("receivers", {"selection": "fixed", "receivers": []}),
        ("receivers.0.staff", {"receivers": [{"staff": StaffFactory().pk}]}),
        ("receivers.0.weight", {"receivers": [{"staff": office.receiver.pk, "weight": 1}]}),
        ("receivers.non_field_errors", {"receivers": [{"staff": office.receiver.pk}] * 201}),
        ("is_active", {"is_active": False}),
    ]:
        answer = api.post(POLICIES, {"name": "x", "selection": "least_loaded", **body})
        assert field in refused_fields(answer)
    assert not TransferPolicy.objects.exists()


def test_two_policies_for_the_same_things_are_refused(api, office):
    body = {"name": "x", "selection": "least_loaded"}
    assert api.post(POLICIES, body).status_code == 201

    again = api.post(POLICIES, body)

    assert (again.status_code, again.json()["code"]) == (409, "policy_taken")


def test_a_community_names_who_owns_its_chats_next(api, office):
    community = office.community()
    url = f"/api/v1/communities/{community.pk}/"

    named = api.patch(url, {"backup_owner": office.receiver.pk}).json()

    assert (named["backup_owner"], named["backup_owner_name"]) == (office.receiver.pk, "赵敏")
    assert api.patch(url, {"backup_owner": StaffFactory().pk}).status_code == 400
