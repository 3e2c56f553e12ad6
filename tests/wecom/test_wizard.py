import pytest
from django.test import Client
from django.urls import reverse

from scrm.wecom.models import InboundEvent, SyncRun, WecomConnection
from tests.accounts.factories import UserFactory
from tests.wecom.simulated import served_world


def page(connection, name):
    return reverse(f"admin:wecom_wecomconnection_{name}", args=[connection.pk])


@pytest.mark.django_db(transaction=True)
def test_a_company_is_connected_from_its_ids_to_the_first_sync(live_server, settings):
    """As an operator does it, with the platform calling us over HTTP."""
    served = served_world()
    settings.WECOM_SIMULATOR_URL, settings.PUBLIC_URL = served.url, live_server.url
    settings.WECOM_LISTENER_SECONDS = 0
    corp = served.world.create_corp("云岭茶业")
    desk = Client()
    desk.force_login(UserFactory())

    ids = {"corp_id": corp.corp_id, "agent_id": corp.agent_id, "app_secret": corp.secret}
    step = desk.post(
        reverse("admin:wecom_wecomconnection_add"), {**ids, "platform": "simulator"}
    ).url
    connection = WecomConnection.objects.get()
    shown = desk.get(step).context
    assert desk.get(page(connection, "verified")).json() == {"verified": False}

    corp.set_callback(shown["url"], connection.callback_token, connection.callback_aes_key)
    assert desk.get(page(connection, "verified")).json() == {"verified": True}

    tested = desk.post(step, {"do": "test"}, follow=True)
    found = {check["name"]: check["status"] for check in tested.context["checks"]}
    assert found["credential"] == found["directory"] == "ok"
    connection.refresh_from_db()
    assert connection.state == "connected"
    desk.post(step, {"do": "sync"})
    assert SyncRun.objects.get().connection == connection


@pytest.mark.django_db(transaction=True)
def test_no_callback_is_lost_while_its_secrets_are_replaced(live_server, settings):
    """The platform goes on with the former ones until somebody saves the new ones there."""
    served = served_world()
    settings.WECOM_SIMULATOR_URL, settings.PUBLIC_URL = served.url, live_server.url
    settings.WECOM_LISTENER_SECONDS = 0
    corp = served.world.create_corp("云岭茶业")
    desk = Client()
    desk.force_login(UserFactory())
    ids = {"corp_id": corp.corp_id, "agent_id": corp.agent_id, "app_secret": corp.secret}
    step = desk.post(
        reverse("admin:wecom_wecomconnection_add"), {**ids, "platform": "simulator"}
    ).url
    connection = WecomConnection.objects.get()
    url = desk.get(step).context["url"]
    corp.set_callback(url, connection.callback_token, connection.callback_aes_key)

    def arrive(userid):
        corp.add_staff(userid, userid)
        for callback in corp.outbox.take():
            envelope = callback.signed()
            answer = Client().post(
                reverse("wecom-callback", args=[connection.callback_key]),
                data=envelope.body,
                content_type="text/xml",
                query_params=envelope.query,
            )
            assert answer.status_code == 200
        return InboundEvent.objects.filter(subject=userid).exists()

    assert arrive("before")
    desk.post(page(connection, "rotate"), {"_form_submitted": "on"})
    assert arrive("between")
    connection.refresh_from_db()
    assert desk.get(page(connection, "verified")).json() == {"verified": False}
    corp.set_callback(url, connection.callback_token, connection.callback_aes_key)
    assert arrive("after")
    connection.refresh_from_db()
    assert connection.former_callback_token == ""
