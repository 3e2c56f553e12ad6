import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from scrm.accounts.rules.roles import Role
from scrm.wecom.models import SyncRun, WecomConnection
from scrm.wecom.rules.status import EventState, Platform, ReadState, SyncState
from tests.accounts.factories import UserFactory
from tests.wecom.factories import (
    ApiQuotaFactory,
    InboundEventFactory,
    ReadRequestFactory,
    SyncRunFactory,
    WecomConnectionFactory,
)

pytestmark = pytest.mark.django_db
DIALOG = {"_form_submitted": "on"}
PAYLOAD = (
    "<xml><UserID>lin</UserID><Mobile>13912345678</Mobile><Name><![CDATA[林乔]]></Name>"
    "<ExternalUserID><![CDATA[wmX1r0CgAA13912345678abc]]></ExternalUserID>"
    "<Note>回拨 13812345678</Note></xml>"
)


@pytest.fixture
def boss():
    return UserFactory()


@pytest.fixture
def desk(client, boss):
    client.force_login(boss)
    return client


@pytest.fixture
def connection(boss):
    return WecomConnectionFactory(enterprise=boss.enterprise, account__name="总部")


def page(model, *arguments, name="change"):
    return reverse(f"admin:wecom_{model}_{name}", args=arguments)


def text(response):
    assert response.status_code == 200
    return response.content.decode()


def test_the_page_of_a_connection_tells_whether_it_works(desk, connection):
    InboundEventFactory(connection=connection, state=EventState.FAILED)
    InboundEventFactory.create_batch(2, connection=connection, state=EventState.IGNORED)
    ReadRequestFactory(connection=connection, state=ReadState.FAILED)
    ApiQuotaFactory(connection=connection, refused_count=3)
    SyncRunFactory(
        connection=connection,
        state=SyncState.COMPLETED,
        counts={"groups": {"seen": 20, "added": 1}},
        drift={"groups": {"added": 1}},
        finished_at=connection.created_at,
    )
    shown = text(desk.get(page("wecomconnection", connection.pk)))
    for words in (
        "已连接",
        f"/wecom/callback/{connection.callback_key}",
        "处理失败 1",
        "已忽略 2",
        "读取失败 1",
        "被拒 3 次",
        "读到 20，新增 1",
        "新增 1：回调丢失或没有说明。",
        "下次自动同步",
    ):
        assert words in shown
    for secret in (connection.app_secret, connection.callback_token, connection.callback_aes_key):
        assert secret not in shown


def test_a_failing_connection_says_why_in_words(desk, boss):
    failing = WecomConnectionFactory(
        enterprise=boss.enterprise, state="failing", state_code="60020"
    )
    shown = text(desk.get(page("wecomconnection", failing.pk)))
    assert "连接异常" in shown
    assert "60020" in shown
    assert "IP" in shown


def test_the_first_step_connects_and_leads_to_the_second(desk, boss, settings):
    settings.WECOM_SIMULATOR_URL = ""
    form = {"corp_id": " ww1a2b3c4d5e6f7a8b", "agent_id": "1000002", "app_secret": "s3cret"}
    answer = desk.post(page("wecomconnection", name="add"), form)
    made = WecomConnection.objects.get()
    assert answer.url == page("wecomconnection", made.pk, name="setup")
    assert (made.enterprise, made.corp_id, made.app_secret) == (
        boss.enterprise,
        "ww1a2b3c4d5e6f7a8b",
        "s3cret",
    )
    shown = text(desk.get(answer.url))
    for value in (made.callback_token, made.callback_aes_key, made.callback_key):
        assert value in shown
    assert made.app_secret not in shown


def test_a_wrong_value_is_told_beside_its_field(desk, settings):
    settings.WECOM_SIMULATOR_URL = ""
    form = {"corp_id": "我的企业", "agent_id": "1000002", "app_secret": "s3cret"}
    answer = desk.post(page("wecomconnection", name="add"), form)
    assert list(answer.context["adminform"].form.errors) == ["corp_id"]


def test_the_wizard_goes_on_where_it_was_left(desk, connection):
    setup = page("wecomconnection", connection.pk, name="setup")
    verified = page("wecomconnection", connection.pk, name="verified")
    assert desk.get(setup).context["step"] == 2
    assert desk.get(verified).json() == {"verified": False}
    connection.callback_verified_at = connection.created_at
    connection.save()
    assert desk.get(setup).context["step"] == 3
    assert desk.get(verified).json() == {"verified": True}


def test_the_wizard_starts_the_first_sync(desk, connection, boss):
    answer = desk.post(page("wecomconnection", connection.pk, name="setup"), {"do": "sync"})
    assert answer.url == page("wecomconnection", connection.pk)
    assert SyncRun.objects.get().requested_by == boss


def test_a_wizard_on_the_simulator_leads_to_its_control_page(desk, boss, settings):
    settings.WECOM_SIMULATOR_URL = "http://127.0.0.1:9"
    simulated = WecomConnectionFactory(enterprise=boss.enterprise, platform=Platform.SIMULATOR)
    shown = text(desk.get(page("wecomconnection", simulated.pk, name="setup")))
    assert 'href="http://127.0.0.1:9/_sim/"' in shown


def test_the_secret_stays_when_the_form_leaves_it_empty(desk, connection):
    form = {
        "name": "分部",
        "corp_id": connection.corp_id,
        "agent_id": connection.agent_id,
        "app_secret": "",
    }
    assert desk.post(page("wecomconnection", connection.pk), form).status_code == 302
    secret = connection.app_secret
    connection = WecomConnection.objects.select_related("account").get()
    assert (connection.account.name, connection.app_secret) == ("分部", secret)


def test_new_secrets_of_the_callback_are_shown_in_the_wizard(desk, connection):
    former = connection.callback_token
    url = page("wecomconnection", connection.pk, name="rotate")
    answer = desk.post(url, DIALOG, headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"].endswith("/setup/?step=2")
    connection.refresh_from_db()
    assert connection.callback_token != former


def test_a_callback_shows_what_it_was_and_hides_phone_numbers(desk, connection):
    event = InboundEventFactory(connection=connection, payload=PAYLOAD)
    assert "成员入群" in text(desk.get(page("inboundevent", name="changelist")))
    shown = text(desk.get(page("inboundevent", event.pk)))
    assert "<Mobile>****</Mobile>".replace("<", "&lt;").replace(">", "&gt;") in shown
    assert "回拨 138****5678" in shown
    assert "wmX1r0CgAA13912345678abc" in shown  # an id, not a number
    assert "林乔" in shown


def test_the_document_of_a_callback_is_not_for_whoever_only_looks(client, connection):
    event = InboundEventFactory(connection=connection, payload=PAYLOAD)
    client.force_login(UserFactory(enterprise=connection.enterprise, role=Role.ANALYST))
    shown = text(client.get(page("inboundevent", event.pk)))
    assert "成员入群" in shown
    assert "林乔" not in shown


def test_a_failed_callback_is_processed_again_on_demand(desk, connection):
    event = InboundEventFactory(connection=connection, state=EventState.FAILED)
    desk.post(page("inboundevent", event.pk, name="replay"), DIALOG)
    event.refresh_from_db()
    assert event.state == EventState.WAITING


def test_a_list_of_callbacks_deciphers_none_of_them(desk, connection):
    InboundEventFactory.create_batch(3, connection=connection)
    with CaptureQueriesContext(database) as queries:
        desk.get(page("inboundevent", name="changelist"))
    assert not any('"payload"' in each["sql"] for each in queries)


def test_events_are_found_by_what_happened(desk, connection):
    InboundEventFactory(connection=connection, subject="wrJoined")
    InboundEventFactory(
        connection=connection, event="change_contact", change_type="delete_user", subject="lin"
    )
    listed = desk.get(page("inboundevent", name="changelist") + "?what=change_contact.delete_user")
    assert [row.subject for row in listed.context["cl"].result_list] == ["lin"]


def test_the_lists_cost_the_same_however_much_they_show(desk, connection):
    makers = {
        "inboundevent": InboundEventFactory,
        "readrequest": ReadRequestFactory,
        "apiquota": lambda connection: ApiQuotaFactory(
            connection=connection, api=f"api{ReadRequestFactory._meta.next_sequence()}"
        ),
        "syncrun": lambda connection: SyncRunFactory(connection=connection, state="completed"),
    }
    desk.get(page("inboundevent", name="changelist"))  # the sidebar counts once, for all pages
    for model, make in makers.items():
        costs = []
        for _ in range(2):
            make(connection=connection)
            make(connection=connection)
            with CaptureQueriesContext(database) as queries:
                assert desk.get(page(model, name="changelist")).status_code == 200
            costs.append(len(queries))
        assert costs[0] == costs[1], model
