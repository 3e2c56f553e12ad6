import httpx
import pytest

from scrm.wecom.models import WecomConnection
from tests.wecom.simulated import served_world, simulated_corp

pytestmark = pytest.mark.django_db


def test_a_connected_company_answers_over_http_with_the_secret_of_its_connection():
    simulated = simulated_corp()
    connection = WecomConnection.objects.get()
    with httpx.Client(base_url=served_world().url) as client:
        answer = client.get(
            "/cgi-bin/gettoken",
            params={"corpid": connection.corp_id, "corpsecret": connection.app_secret},
        ).json()
        simulated.corp.add_staff("lin.qiao", "林乔")
        staff = client.get(
            "/cgi-bin/user/get",
            params={"access_token": answer["access_token"], "userid": "LIN.QIAO"},
        ).json()
    assert answer["expires_in"] == 7200
    assert (staff["errcode"], staff["name"]) == (0, "林乔")
