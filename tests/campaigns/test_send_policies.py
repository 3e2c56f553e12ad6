"""What an enterprise lets itself say: its rules and caps, through the verbs and their doors."""

from datetime import time

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from campaigns.errors import (
    BadPercentage,
    CapTaken,
    QuietHoursNeedBothEnds,
    SendPolicyExists,
    ServiceHasNoCap,
)
from campaigns.models import FrequencyCap, SendPolicy
from campaigns.selectors.guards import policy_of
from campaigns.services.caps import create_cap, edit_cap, remove_cap
from campaigns.services.send_policies import create_send_policy, edit_send_policy
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def actor():
    return UserFactory()


@pytest.fixture
def api(actor):
    client = APIClient()
    client.force_authenticate(actor)
    return client


def test_until_an_enterprise_says_otherwise_the_defaults_hold(actor, api):
    assert policy_of(actor.enterprise_id).advert_block_percent == 60
    shown = api.get("/api/v1/send-policies/in-force/").json()
    assert (shown["id"], shown["consent_rule"]) == (None, "required")

    create_send_policy(actor=actor, advert_block_percent=40)

    assert policy_of(actor.enterprise_id).advert_block_percent == 40
    assert api.get("/api/v1/send-policies/in-force/").json()["advert_block_percent"] == 40
    with pytest.raises(SendPolicyExists):
        create_send_policy(actor=actor)


def test_a_policy_is_changed_and_the_change_is_on_record(actor):
    policy = create_send_policy(actor=actor)
    colleague = UserFactory(enterprise=actor.enterprise)

    edit_send_policy(
        policy.pk, actor=colleague, quiet_from=time(22), quiet_until=time(8), breaker_is_on=False
    )

    policy.refresh_from_db()
    assert (policy.quiet_from, policy.changed_by) == (time(22), colleague)
    event = AuditEvent.objects.get(verb="edit_send_policy")
    assert (event.before["breaker_is_on"], event.after["breaker_is_on"]) == (True, False)
    edit_send_policy(policy.pk, actor=colleague, breaker_is_on=False)
    assert AuditEvent.objects.filter(verb="edit_send_policy").count() == 1


def test_nonsense_is_refused(actor):
    with pytest.raises(QuietHoursNeedBothEnds):
        create_send_policy(actor=actor, quiet_from=time(22))
    with pytest.raises(BadPercentage):
        create_send_policy(actor=actor, advert_warn_percent=101)
    with pytest.raises(BadPercentage):
        create_send_policy(actor=actor, full_blast_percent=0)
    assert not SendPolicy.objects.exists()


def test_caps_are_set_changed_and_taken_away(actor):
    cap = create_cap(actor=actor, target="members", window="day", limit=2)
    with pytest.raises(CapTaken):
        create_cap(actor=actor, target="members", window="day", limit=3)
    with pytest.raises(ServiceHasNoCap):
        create_cap(actor=actor, target="members", window="day", limit=3, category="service")

    edit_cap(cap.pk, actor=actor, limit=0)
    assert FrequencyCap.objects.get().limit == 0
    remove_cap(cap.pk, actor=actor)

    assert not FrequencyCap.objects.exists()
    verbs = AuditEvent.objects.order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["create_frequency_cap", "edit_frequency_cap", "remove_frequency_cap"]


def test_programs_write_policies_and_caps(api):
    answer = api.post("/api/v1/send-policies/", {"quiet_from": "22:00", "quiet_until": "08:00"})
    assert answer.status_code == 201, answer.json()
    url = f"/api/v1/send-policies/{answer.json()['id']}/"
    assert api.patch(url, {"quiet_from": None}).status_code == 400
    assert api.patch(url, {"quiet_from": None, "quiet_until": None}).status_code == 200

    cap = {"target": "members", "window": "week", "limit": 3, "category": "advert"}
    answer = api.post("/api/v1/frequency-caps/", cap)
    assert answer.status_code == 201, answer.json()
    url = f"/api/v1/frequency-caps/{answer.json()['id']}/"
    assert api.patch(url, {"limit": 0}).json()["limit"] == 0
    assert api.post("/api/v1/frequency-caps/", cap | {"category": "service"}).status_code == 400
    assert api.delete(url).status_code == 204


def test_operators_write_policies_and_caps(client, actor):
    client.force_login(actor)
    policy = {
        field.name: field.default
        for field in SendPolicy._meta.fields
        if isinstance(field.default, int | str) and not isinstance(field.default, bool)
    }
    policy |= {"quiet_from": "22:00", "quiet_until": "08:00", "breaker_is_on": "on"}
    answer = client.post(reverse("admin:campaigns_sendpolicy_add"), policy)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    kept = SendPolicy.objects.get()
    assert (kept.quiet_until, kept.changed_by) == (time(8), actor)
    assert client.get(reverse("admin:campaigns_sendpolicy_add")).status_code == 403
    assert (
        "22:00–08:00"
        in client.get(reverse("admin:campaigns_sendpolicy_changelist")).content.decode()
    )

    cap = {"target": "members", "category": "", "window": "day", "limit": 0}
    assert client.post(reverse("admin:campaigns_frequencycap_add"), cap).status_code == 302
    assert "不限" in client.get(reverse("admin:campaigns_frequencycap_changelist")).content.decode()
    row = FrequencyCap.objects.get()
    change = reverse("admin:campaigns_frequencycap_change", args=[row.pk])
    assert client.post(change, {"limit": 0}).status_code == 302
    assert not AuditEvent.objects.filter(verb="edit_frequency_cap").exists()
    delete = reverse("admin:campaigns_frequencycap_delete", args=[row.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 302
    assert not FrequencyCap.objects.exists()


def test_who_only_writes_broadcasts_does_not_change_the_rules(client, actor):
    operator = UserFactory(enterprise=actor.enterprise, role=Role.OPERATOR)
    client.force_login(operator)

    assert client.get(reverse("admin:campaigns_sendpolicy_add")).status_code == 403
