import json

import httpx
import pytest

from scrm.wecom.models import WecomConnection
from tests.wecom.simulated import company, served_world, simulated_corp

GROUPS = "externalcontact/groupchat/list"


@pytest.fixture
def api():
    api = company()
    api.corp.add_staff("lin.qiao", "林乔")
    return api


# --- Tokens -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, 41004),
        ({"corpsecret": "x"}, 41002),
        ({"corpid": "ww1", "corpsecret": "x"}, 40013),
        ({"corpid": "own", "corpsecret": "x"}, 40001),
    ],
)
def test_a_token_needs_the_right_company_and_secret(api, query, code):
    if query.get("corpid") == "own":
        query = {**query, "corpid": api.corp.corp_id}
    assert api.http.get("/cgi-bin/gettoken", params=query).json()["errcode"] == code


def test_a_token_counts_only_in_the_address_and_comes_before_everything_else(api):
    http = api.http
    assert (
        http.post(f"/cgi-bin/{GROUPS}", json={"access_token": api.token}).json()["errcode"] == 41001
    )
    bad = http.post(f"/cgi-bin/{GROUPS}", params={"access_token": "x"}, content=b"}{").json()
    assert bad["errcode"] == 40014
    assert bad["group_chat_list"] == []
    assert "more info at https://open.work.weixin.qq.com/devtool/query?e=40014" in bad["errmsg"]
    assert http.get("/cgi-bin/nothing/here").status_code == 404
    assert http.get("/cgi-bin/nothing/here").content == b""


def test_tokens_live_two_hours_by_the_companys_clock_and_may_end_early(api):
    assert api.fresh_token() == api.token
    api.corp.clock.advance(7201)
    assert api.get("user/get", userid="lin.qiao")["errcode"] == 42001
    api.token = api.fresh_token()
    assert api.get("user/get", userid="lin.qiao")["errcode"] == 0
    api.corp.end_tokens(40014)
    assert api.get("user/get", userid="lin.qiao")["errcode"] == 40014
    renewed = api.fresh_token()
    assert renewed != api.token
    api.token = renewed
    assert api.get("user/get", userid="lin.qiao")["errcode"] == 0


def test_an_app_is_held_to_its_scope(api):
    assert api.beside(may_call_customers=False).code(GROUPS, limit=1) == 48002
    assert api.beside(trusted_ip=False).code(GROUPS, limit=1) == 60020
    narrow = api.beside(users=[])
    assert narrow.get("user/get", userid="lin.qiao")["errcode"] == 60111
    assert narrow.get("user/simplelist", department_id=1)["errcode"] == 60011
    app = api.beside()
    api.corp.apps[-1].disabled = True
    assert app.code(GROUPS, limit=1) == 50003


# --- Limits and faults --------------------------------------------------------------------------


def test_too_many_calls_of_one_api_block_it_for_a_minute(api):
    api.corp.clock.freeze()
    api.corp.settings.calls_of[GROUPS] = 2
    codes = [api.code(GROUPS, limit=1) for _ in range(3)]
    assert codes == [0, 0, 45009]
    assert api.code("externalcontact/get_corp_tag_list") == 0
    api.corp.clock.advance(59)
    assert api.code(GROUPS, limit=1) == 45009
    api.corp.clock.advance(1)
    assert api.code(GROUPS, limit=1) == 0


def test_faults_come_on_demand_and_go_again(api):
    faults, path = api.corp.faults, f"/cgi-bin/{GROUPS}"
    query, body = {"access_token": api.token}, {"limit": 1}
    faults.refuse("externalcontact/groupchat/*", 45033, times=1)
    assert [api.code(GROUPS, limit=1) for _ in range(2)] == [45033, 0]
    faults.status(GROUPS, 502)
    assert api.http.post(path, params=query, json=body).status_code == 502
    faults.truncate(GROUPS)
    with pytest.raises(json.JSONDecodeError):
        api.http.post(path, params=query, json=body).json()
    assert api.code(GROUPS, limit=1) == 0


def test_a_lost_answer_means_that_it_happened(api):
    api.corp.faults.lose_answer("externalcontact/add_corp_tag")
    query = {"access_token": api.token}
    body = {"group_name": "来源", "tag": [{"name": "展会"}]}
    answer = api.http.post("/cgi-bin/externalcontact/add_corp_tag", params=query, json=body)
    assert answer.status_code == 504
    (group,) = api.post("externalcontact/get_corp_tag_list")["tag_group"]
    assert group["group_name"] == "来源"


# --- Directory and customers --------------------------------------------------------------------


def test_departments_and_staff_are_read_as_the_platform_shows_them(api):
    corp = api.corp
    team = corp.add_department("社群运营部")
    corp.add_staff("Zhao.Min", "赵敏", [1, team])
    assert [each["id"] for each in api.get("department/simplelist")["department_id"]] == [1, team]
    assert api.get("department/get", id=team)["department"]["name"] == "社群运营部"
    assert api.get("department/list", id=99)["errcode"] == 60123
    staff = api.get("user/get", userid="zhao.min")
    assert (staff["userid"], staff["department"], staff["status"]) == ("Zhao.Min", [1, team], 1)
    assert "mobile" not in staff
    corp.resign_staff("zhao.min")
    assert api.get("user/get", userid="zhao.min")["errcode"] == 60111
    assert api.get("user/list", department_id=team)["userlist"] == []
    told = [callback.change_type for callback in corp.outbox]
    assert told[-3:] == ["create_party", "create_user", "delete_user"]


def test_a_reduced_directory_tells_only_ids(api):
    api.corp.faults.reduced_directory = True
    api.corp.add_staff("a", "甲")
    api.corp.edit_staff("a", name="乙")
    callback = api.corp.outbox.take()[-1]
    assert callback.change_type == "create_user"
    assert b"<Name>" not in callback.xml


def test_customers_are_listed_by_staff_and_relations_decide(api):
    corp = api.corp
    corp.add_staff("zhao.min", "赵敏")
    nobody = api.get("externalcontact/list", userid="zhao.min")
    assert (nobody["errcode"], nobody["external_userid"]) == (84061, [])
    friend, half, gone, fan = (corp.add_customer(n, staff="lin.qiao", half=n == "half")
                               for n in ("friend", "half", "gone", "fan"))  # fmt: skip
    corp.delete_contact("lin.qiao", gone, by="staff")
    corp.delete_contact("lin.qiao", fan, by="customer")
    listed = api.get("externalcontact/list", userid="lin.qiao")["external_userid"]
    assert listed == [friend, fan]
    assert api.get("externalcontact/get", external_userid=half)["errcode"] == 84061
    assert api.get("externalcontact/get", external_userid="nobody")["errcode"] == 40096
    assert api.get("externalcontact/get", external_userid="")["errcode"] == 41035
    shown = api.get("externalcontact/get", external_userid=friend)
    assert shown["external_contact"]["unionid"]
    assert shown["follow_user"][0]["userid"] == "lin.qiao"


def test_customers_of_many_staff_come_in_pages(api):
    corp, batch = api.corp, "externalcontact/batch/get_by_user"
    corp.add_staff("zhao.min", "赵敏")
    wanted = [corp.add_customer(staff=userid) for userid in ["lin.qiao", "zhao.min"] * 4]
    found, cursor = [], ""
    while True:
        page = api.post(batch, userid_list=["lin.qiao", "zhao.min"], limit=3, cursor=cursor)
        found += [
            each["external_contact"]["external_userid"] for each in page["external_contact_list"]
        ]
        if not (cursor := page["next_cursor"]):
            break
    assert found == wanted[::2] + wanted[1::2]
    assert len(api.post(batch, userid_list=["lin.qiao"], limit=500)["external_contact_list"]) == 4
    assert api.code(batch, userid_list=["nobody"]) == 40003
    assert api.code(batch, userid_list=["lin.qiao"] * 101) == 40058


# --- Over HTTP ----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_connection_of_ours_reaches_its_company_over_http():
    simulated = simulated_corp()
    connection = WecomConnection.objects.get()
    simulated.corp.add_staff("lin.qiao", "林乔")
    with httpx.Client(base_url=served_world().url) as client:
        secret = {"corpid": connection.corp_id, "corpsecret": connection.app_secret}
        token = client.get("/cgi-bin/gettoken", params=secret).json()["access_token"]
        query = {"access_token": token, "userid": "LIN.QIAO"}
        assert client.get("/cgi-bin/user/get", params=query).json()["name"] == "林乔"
