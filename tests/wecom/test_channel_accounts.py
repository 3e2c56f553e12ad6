import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import Role
from scrm.wecom.errors import ChannelNameTaken, EndpointMissing, UnknownChannelKind
from scrm.wecom.models import ChannelAccount
from scrm.wecom.services.channel_accounts import (
    activate_channel_account,
    channel_kinds,
    create_channel_account,
    deactivate_channel_account,
    edit_channel_account,
)
from tests.accounts.factories import UserFactory
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db
SECRET = "hush-hush-0123456789"


@pytest.fixture
def boss():
    return UserFactory()


def test_create_channel_account_keeps_the_secret_out_of_the_record(boss):
    account = create_channel_account(
        actor=boss, name="推送", kind="webhook", endpoint="https://example.com/in", secret=SECRET
    )

    assert ChannelAccount.objects.get() == account
    assert (account.enterprise, account.secret) == (boss.enterprise, SECRET)
    assert AuditEvent.objects.get().after["secret"] == "***"


def test_a_channel_account_is_refused_with_its_reason(boss):
    ChannelAccountFactory(enterprise=boss.enterprise, name="推送")

    for values, refusal in (
        ({"name": "推送", "kind": "sandbox"}, ChannelNameTaken),
        ({"name": "新", "kind": "pigeon"}, UnknownChannelKind),
        ({"name": "新", "kind": "webhook"}, EndpointMissing),
    ):
        with pytest.raises(refusal):
            create_channel_account(actor=boss, **values)
    assert ChannelAccount.objects.count() == 1


def test_the_kinds_are_those_of_the_installation(settings):
    settings.CHANNELS = {**settings.CHANNELS, "pigeon": "x.Pigeon"}

    assert dict(channel_kinds())["sandbox"] == "沙盒"
    assert dict(channel_kinds())["pigeon"] == "pigeon"


def test_a_webhook_keeps_its_endpoint(boss):
    account = ChannelAccountFactory(
        enterprise=boss.enterprise, kind="webhook", endpoint="https://example.com/"
    )

    with pytest.raises(EndpointMissing):
        edit_channel_account(account.pk, actor=boss, endpoint="")
    with pytest.raises(IntegrityError), transaction.atomic():
        ChannelAccount.objects.update(endpoint="")


def test_switching_twice_leaves_one_trace(boss):
    account = ChannelAccountFactory(enterprise=boss.enterprise)

    deactivate_channel_account(account.pk, actor=boss)
    deactivate_channel_account(account.pk, actor=boss)
    assert not ChannelAccount.objects.active().exists()
    activate_channel_account(account.pk, actor=boss)

    verbs = AuditEvent.objects.order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["deactivate_channel_account", "activate_channel_account"]


def test_a_strangers_account_does_not_exist(boss):
    account = ChannelAccountFactory()

    for verb in (edit_channel_account, activate_channel_account, deactivate_channel_account):
        with pytest.raises(ChannelAccount.DoesNotExist):
            verb(account.pk, actor=boss)


def test_the_secret_never_comes_out_again(boss):
    account = ChannelAccountFactory(enterprise=boss.enterprise, secret=SECRET)
    api, browser = APIClient(), Client()
    api.force_authenticate(boss)
    browser.force_login(boss)
    reader = UserFactory(enterprise=boss.enterprise, role=Role.ANALYST)
    reading = Client()
    reading.force_login(reader)
    page = reverse("admin:wecom_channelaccount_change", args=[account.pk])

    texts = [
        api.get("/api/v1/channel-accounts/").content.decode(),
        api.patch(f"/api/v1/channel-accounts/{account.pk}/", {"delay_ms": 1}).content.decode(),
        browser.get(page).content.decode(),
        browser.post(page, {"name": "", "secret": "other-secret-typed"}).content.decode(),
        reading.get(page).content.decode(),
        browser.get(reverse("admin:wecom_channelaccount_changelist")).content.decode(),
    ]

    assert '"has_secret":true' in texts[0]
    assert [text for text in texts if SECRET in text or "other-secret-typed" in text] == []


def test_an_empty_secret_in_the_form_keeps_the_old_one(boss):
    account = ChannelAccountFactory(enterprise=boss.enterprise, secret=SECRET)
    browser = Client()
    browser.force_login(boss)
    page = reverse("admin:wecom_channelaccount_change", args=[account.pk])
    data = {"name": "新名", "endpoint": "", "delay_ms": 0, "failure_percent": 0, "secret": ""}

    response = browser.post(page, data)

    account.refresh_from_db()
    assert response.status_code == 302
    assert (account.name, account.secret) == ("新名", SECRET)
    browser.post(page, data | {"secret": "another"})
    account.refresh_from_db()
    assert account.secret == "another"


def test_a_limit_is_set_and_taken_away(boss):
    client = APIClient()
    client.force_authenticate(boss)
    account = ChannelAccountFactory(enterprise=boss.enterprise)
    page = f"/api/v1/channel-accounts/{account.pk}/"

    limited = client.patch(page, {"rate_per_second": 80, "rate_burst": 20}, format="json").json()
    refused = client.patch(page, {"rate_per_second": 0}, format="json")
    free = client.patch(page, {"rate_per_second": None}, format="json").json()

    assert (limited["rate_per_second"], limited["rate_burst"]) == (80, 20)
    assert refused.status_code == 400
    assert (free["rate_per_second"], free["rate_burst"]) == (None, 20)


def test_a_list_costs_the_same_for_one_row_and_for_three(boss, django_assert_num_queries):
    client = APIClient()
    client.force_authenticate(boss)

    for count in (1, 3):
        ChannelAccountFactory.create_batch(
            count - ChannelAccount.objects.count(), enterprise=boss.enterprise
        )
        with django_assert_num_queries(1):
            assert len(client.get("/api/v1/channel-accounts/").json()["results"]) == count
