from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.models import ContactWelcome
from campaigns.progress_words import reason_in_words
from campaigns.rules.status import WelcomeStatus
from campaigns.services.contact_welcoming import (
    give_up_contact_welcomes,
    plan_contact_welcome,
    send_contact_welcomes,
)
from scrm.accounts.models import Staff
from scrm.wecom.services.connections import pause_connection
from tests.accounts.factories import StaffFactory, UserFactory
from tests.campaigns.broadcasts import WelcomePolicyFactory
from tests.communities.factories import CommunityFactory, JoinWayFactory
from tests.members.factories import FollowFactory, MemberFactory
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db


@pytest.fixture
def company():
    company = simulated_corp(name="爪爪星球")
    company.corp.add_staff("lin", "林小满")
    StaffFactory(enterprise=company.enterprise, name="林小满", external_id="lin")
    return company


def contact(company, *, state="", name="小舟"):
    """A new contact on the platform and with us, and the code that came with it."""
    external_userid = company.corp.add_customer(name)
    code = company.corp.add_contact("lin", external_userid, state=state)
    follow = FollowFactory(
        member=MemberFactory(enterprise=company.enterprise, nickname=name),
        channel_account=company.connection.account,
        staff=Staff.objects.get(enterprise=company.enterprise, external_id="lin"),
        external_userid=external_userid,
        state=state,
    )
    return follow, code


def planned(company, **values):
    follow, code = contact(company, **values)
    return plan_contact_welcome(follow.pk, code=code, occurred_at=timezone.now())


def state_of(welcome):
    welcome.refresh_from_db()
    return welcome.status, welcome.reason


def texts(company):
    return [sent.content["text"] for sent in company.corp.welcomes_sent]


def policy(company, body="欢迎{{昵称}}来到{{社群}}", **values):
    return WelcomePolicyFactory(
        **{"enterprise": company.enterprise, "community": None, "body": body, **values}
    )


def test_a_new_contact_is_greeted_once_in_the_enterprises_words(company):
    policy(company)
    welcome = planned(company, name="小舟")

    assert not send_contact_welcomes()
    assert not send_contact_welcomes()

    assert texts(company) == [f"欢迎小舟来到{company.enterprise.name}"]
    assert state_of(welcome) == (WelcomeStatus.SENT, "")
    assert welcome.code == ""


def test_who_came_by_a_join_way_is_greeted_in_the_words_of_its_community(company):
    policy(company)
    community = CommunityFactory(enterprise=company.enterprise, name="柯基小短腿联盟")
    policy(company, "{{昵称}}，{{社群}}等你", community=community)
    way = JoinWayFactory(community=community, enterprise=company.enterprise)

    planned(company, state=way.code, name="小舟")
    planned(company, state="expo_2026", name="小船")
    send_contact_welcomes()

    assert texts(company) == [
        "小舟，柯基小短腿联盟等你",
        f"欢迎小船来到{company.enterprise.name}",
    ]


def test_without_a_code_or_a_text_nothing_is_planned(company):
    follow, code = contact(company)
    assert plan_contact_welcome(follow.pk, code=code, occurred_at=timezone.now()) is None
    policy(company)
    assert plan_contact_welcome(follow.pk, code="", occurred_at=timezone.now()) is None
    at = timezone.now()
    first = plan_contact_welcome(follow.pk, code=code, occurred_at=at)
    assert plan_contact_welcome(follow.pk, code=code, occurred_at=at) == first


def test_a_code_the_platform_no_longer_takes_is_skipped_and_said_in_words(company):
    policy(company)
    welcome = planned(company)
    company.corp.clock.advance(21)

    send_contact_welcomes()

    assert state_of(welcome) == (WelcomeStatus.SKIPPED, "code_expired")
    assert "20 秒" in reason_in_words(welcome.reason)


def test_any_other_refusal_fails_with_the_words_of_its_code(company):
    policy(company)
    welcome = planned(company)
    company.corp.apps[0].may_call_customers = False

    send_contact_welcomes()

    assert state_of(welcome) == (WelcomeStatus.FAILED, "wecom_48002")
    assert "可调用接口的应用" in reason_in_words(welcome.reason)


def test_a_paused_connection_greets_nobody(company):
    policy(company)
    welcome = planned(company)
    pause_connection(company.connection.pk, actor=UserFactory(enterprise=company.enterprise))

    send_contact_welcomes()

    assert state_of(welcome) == (WelcomeStatus.SKIPPED, "channel_is_off")
    assert texts(company) == []


def test_what_a_dead_worker_began_is_never_sent_again(company):
    policy(company)
    begun, forgotten, fresh = planned(company), planned(company), planned(company)
    late = timezone.now() - timedelta(seconds=400)
    rows = ContactWelcome.objects
    rows.filter(pk=begun.pk).update(status=WelcomeStatus.SENDING, expires_at=late)
    rows.filter(pk=forgotten.pk).update(expires_at=late)

    assert give_up_contact_welcomes() == 2
    send_contact_welcomes()

    assert state_of(begun) == (WelcomeStatus.FAILED, "outcome_unknown")
    assert state_of(forgotten) == (WelcomeStatus.SKIPPED, "code_expired")
    assert state_of(fresh) == (WelcomeStatus.SENT, "")
    assert len(texts(company)) == 1


def test_the_code_is_kept_encrypted_and_only_while_it_is_of_use(company):
    policy(company)
    follow, code = contact(company)
    welcome = plan_contact_welcome(follow.pk, code=code, occurred_at=timezone.now())

    with connection.cursor() as cursor:
        cursor.execute("SELECT code FROM campaigns_contactwelcome WHERE id = %s", [welcome.pk])
        (kept,) = cursor.fetchone()
    assert code not in kept
