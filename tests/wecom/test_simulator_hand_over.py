import pytest
from defusedxml.ElementTree import fromstring

from tests.wecom.simulated import company

ON_JOB = "externalcontact/groupchat/onjob_transfer"
RESIGNED = "externalcontact/groupchat/transfer"
CUSTOMERS = "externalcontact/transfer_customer"
RESULT = "externalcontact/transfer_result"
DAY = 86_400


@pytest.fixture
def api():
    api = company()
    api.corp.clock.freeze()
    for userid in ("giver", "taker", "third"):
        api.corp.add_staff(userid, userid)
    api.corp.outbox.take()
    return api


def later(api, seconds):
    api.corp.clock.advance(seconds)
    for staff in api.corp.everybody:
        staff.last_login_at = api.corp.clock.second()
    api.token = api.fresh_token()


def failures(api, call, chats, new_owner="taker"):
    answer = api.post(call, chat_id_list=chats, new_owner=new_owner)
    assert answer["errcode"] == 0
    return [each["errcode"] for each in answer["failed_chat_list"]]


def owner_of(api, chat):
    return api.post("externalcontact/groupchat/get", chat_id=chat)["group_chat"]["owner"]


def test_a_group_changes_hands_at_once_and_silently(api):
    chat = api.corp.create_group("giver")
    api.corp.outbox.take()
    assert failures(api, ON_JOB, [chat]) == []
    assert owner_of(api, chat) == "taker"
    assert api.corp.outbox.take() == []
    api.corp.faults.owner_change_event = True
    assert failures(api, ON_JOB, [chat], "third") == []
    (callback,) = api.corp.outbox.take()
    assert callback.change_type == "change_owner"


def test_every_group_that_cannot_change_hands_has_its_own_code(api):
    corp = api.corp
    fine, internal, own = (corp.create_group("giver", internal=n == 1) for n in range(3))
    confirm = corp.create_group("giver")
    corp.groups[confirm].needs_confirmation = True
    left = corp.create_group("third")
    corp.resign_staff("third")
    codes = failures(api, ON_JOB, [internal, confirm, left, "nothing", fine])
    assert codes == [90501, 90503, 90502, 40050]
    assert failures(api, ON_JOB, [fine]) == [90504]
    assert failures(api, RESIGNED, [own]) == [90500]


def test_the_new_owner_must_be_able_to_own_groups(api):
    corp, chat = api.corp, api.corp.create_group("giver")
    flags = {"follows_customers": 84074, "real_name": 40098}
    for flag, code in flags.items():
        corp.edit_staff("taker", **{flag: False})
        assert api.code(ON_JOB, chat_id_list=[chat], new_owner="taker") == code
        corp.edit_staff("taker", **{flag: True})
    corp.edit_staff("taker", status=4)
    assert api.code(ON_JOB, chat_id_list=[chat], new_owner="taker") == 41054
    assert api.code(ON_JOB, chat_id_list=[chat], new_owner="nobody") == 46004
    assert api.code(ON_JOB, chat_id_list=[], new_owner="giver") == 40058
    assert api.code(ON_JOB, chat_id_list=["x"] * 101, new_owner="giver") == 40058


def test_a_group_changes_hands_twice_in_ninety_days_and_a_person_gives_three_hundred_a_day(api):
    corp = api.corp
    chat = corp.create_group("giver")
    assert failures(api, ON_JOB, [chat], "taker") == []
    assert failures(api, ON_JOB, [chat], "third") == []
    assert failures(api, ON_JOB, [chat], "giver") == [40128]
    later(api, 91 * DAY)
    assert failures(api, ON_JOB, [chat], "giver") == []

    many = corp.add_busy_staff("busy", "忙", chats=301, customers=3)["groups"]
    failed = [code for i in range(0, 200, 100) for code in failures(api, ON_JOB, many[i : i + 100])]
    failed += [
        code for i in (200, 300) for code in failures(api, ON_JOB, many[i : i + 100], "third")
    ]
    assert failed == [45009]  # from one giver in all, whoever takes them
    later(api, DAY)
    assert failures(api, ON_JOB, many[-1:]) == []


def test_what_is_inherited_does_not_count_as_given_on_the_job(api):
    corp, chat = api.corp, api.corp.create_group("giver")
    assert failures(api, ON_JOB, [chat], "taker") == failures(api, ON_JOB, [chat], "giver") == []
    corp.resign_staff("giver")
    assert failures(api, RESIGNED, [chat]) == []


def test_who_did_not_log_in_for_a_year_gives_nothing_away(api):
    chat = api.corp.create_group("giver")
    api.corp.edit_staff("giver", last_login_at=api.corp.clock.second() - 366 * DAY)
    assert failures(api, ON_JOB, [chat]) == [40205]


def test_the_groups_of_somebody_who_left_are_inherited_after_a_while(api):
    corp = api.corp
    chat = corp.create_group("giver")
    corp.resign_staff("giver")
    statuses = []

    def status():
        answer = api.post("externalcontact/groupchat/list", limit=10, status_filter=0,
                          owner_filter={"userid_list": ["giver", "taker"]})  # fmt: skip
        statuses.append(answer["group_chat_list"][0]["status"])

    status()
    assert failures(api, RESIGNED, [chat]) == []
    assert failures(api, RESIGNED, [chat]) == [90507]
    status()
    corp.clock.advance(corp.settings.inheritance_seconds)
    status()
    assert statuses == [1, 2, 3]
    assert owner_of(api, chat) == "taker"
    assert failures(api, RESIGNED, [chat]) == [90508]


def test_a_customer_goes_over_after_a_day_and_both_sides_are_told(api):
    corp = api.corp
    customer = corp.add_customer(staff="giver")
    corp.outbox.take()
    pair = {"handover_userid": "giver", "takeover_userid": "taker"}
    answer = api.post(CUSTOMERS, external_userid=[customer, "nobody"], **pair)
    assert [each["errcode"] for each in answer["customer"]] == [0, 40096]
    (row,) = api.post(RESULT, **pair)["customer"]
    assert (row["status"], row["takeover_time"]) == (2, corp.clock.second() + DAY)
    assert (
        api.post(CUSTOMERS, external_userid=[customer], **pair)["customer"][0]["errcode"] == 40129
    )

    later(api, 3 * DAY)
    (row,) = api.post(RESULT, **pair)["customer"]
    assert row["status"] == 1
    assert row["takeover_time"] == corp.clock.second() - 2 * DAY
    added, deleted = (fromstring(callback.xml) for callback in corp.outbox.take())
    assert (added.findtext("ChangeType"), added.findtext("UserID")) == (
        "add_external_contact",
        "taker",
    )
    assert deleted.findtext("Source") == "DELETE_BY_TRANSFER"
    assert added.findtext("CreateTime") == str(row["takeover_time"])
    assert [each.userid for each in corp.contacts_with(customer)] == ["taker"]


def test_a_customer_may_refuse_and_a_taker_may_be_full(api):
    corp = api.corp
    first, second = (corp.add_customer(staff="giver") for _ in range(2))
    pair = {"handover_userid": "giver", "takeover_userid": "taker"}
    api.post(CUSTOMERS, external_userid=[first, second], **pair)
    corp.outbox.take()
    corp.refuse_transfer(first)
    corp.add_customer(staff="taker")
    corp.edit_staff("taker", customer_limit=1)
    later(api, DAY)
    assert [each["status"] for each in api.post(RESULT, **pair)["customer"]] == [3, 4]
    reasons = [
        fromstring(callback.xml).findtext("FailReason")
        for callback in corp.outbox.take()
        if callback.change_type == "transfer_fail"
    ]
    assert reasons == ["customer_refused", "customer_limit_exceed"]
    assert len(corp.customers_of("giver")) == 2


def test_customers_of_somebody_who_left_wait_to_be_assigned(api):
    corp = api.corp
    customer = corp.add_customer(staff="giver")
    pair = {"handover_userid": "giver", "takeover_userid": "taker"}
    resigned = "externalcontact/resigned/transfer_customer"
    assert api.code(resigned, external_userid=[customer], **pair) == 40097
    corp.resign_staff("giver")
    unassigned = "externalcontact/get_unassigned_list"
    (row,) = api.post(unassigned)["info"]
    assert (row["handover_userid"], row["external_userid"]) == ("giver", customer)
    assert api.post(resigned, external_userid=[customer], **pair)["customer"][0]["errcode"] == 0
    corp.accept_transfer(customer)
    assert api.post(unassigned)["info"] == []
    (row,) = api.post("externalcontact/resigned/transfer_result", **pair)["customer"]
    assert row["status"] == 1


def test_somebody_with_very_much_is_there_at_once_and_leaves_it_behind(api):
    corp = api.corp
    made = corp.add_busy_staff("busy", "忙", chats=3, customers=250, members=2, days=30)
    assert corp.outbox.take() == []
    assert (len(made["groups"]), len(made["customers"])) == (3, 250)
    group = corp.groups[made["groups"][0]]
    assert (len(group.members), group.owner) == (3, "busy")
    assert group.created_at < corp.clock.second() - 29 * DAY
    corp.resign_staff("busy")
    pair = {"handover_userid": "busy", "takeover_userid": "taker"}
    for start in range(0, 250, 100):
        api.post(
            "externalcontact/resigned/transfer_customer",
            external_userid=made["customers"][start : start + 100],
            **pair,
        )
    assert failures(api, RESIGNED, made["groups"][:2]) == []
    assert len(corp.refuse_transfers("busy", 20)) == 20

    later(api, DAY + 1)

    assert corp.left_behind("busy") == {
        "groups_owned": 1,
        "groups_dissolved": 0,
        "groups_given_by_day": [2],
        "customers": 0,
        "customers_given": {"refused": 20, "done": 230},
        "customer_given_most_often": 1,
    }
