"""The leaving that the demonstration tells, with small numbers and this process as the worker."""

import logging
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from communities.models import ResignationCase, TransferItem, TransferQuota
from communities.rules.transfers import CaseStatus, ItemState, Subject
from communities.services.resignation.sweeps import advance_cases
from communities.services.transfers.executing import run_due_transfers
from communities.services.transfers.telling import send_due_notices
from scrm.accounts.models import Staff
from scrm.demo.company import NotSimulated, SimulatedCompany
from scrm.demo.judging import covers
from scrm.demo.leaving import Story, Troubles
from scrm.wecom.models import ReadRequest
from scrm.wecom.rules.limits import CHATS_HANDED_OVER_A_DAY
from scrm.wecom.services.advancing import advance_syncs
from scrm.wecom.services.platform_clock import platform_day, platform_now
from scrm.wecom.services.processing import process_waiting
from scrm.wecom.services.rereading import read_waiting
from tests.accounts.factories import UserFactory
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db


class TwoToday(Story):
    """Another system has used up nearly all that may be given away today."""

    def cause_trouble(self):
        super().cause_trouble()
        TransferQuota.objects.create(
            channel_account_id=self.connection.account_id,
            giver=self.case.staff,
            day=platform_day(platform_now(self.connection)),
            used=CHATS_HANDED_OVER_A_DAY - 2,
        )


def told(*, chats=4, customers=16):
    """The company, the story and its lines; whoever receives is there already."""
    simulated = simulated_corp()
    for number in range(2):
        simulated.corp.add_staff(f"colleague{number}", f"同事{number}")
    lines = []

    def work():
        simulated.deliver()
        process_waiting()
        ReadRequest.objects.update(due_at=Now(), ripe_at=Now())
        read_waiting()
        advance_syncs()
        ResignationCase.objects.open().update(due_at=Now())
        advance_cases()
        run_due_transfers()
        held = TransferItem.objects.filter(state__in=[ItemState.ACCEPTED, ItemState.UNKNOWN])
        held.update(due_at=Now())
        send_due_notices()

    people = {"enterprise": simulated.enterprise, "role": "administrator", "data_scope": "all"}
    story = TwoToday(
        connection=simulated.connection,
        operator=UserFactory(**people),
        approver=UserFactory(**people),
        say=lines.append,
        work=work,
        chats=chats,
        customers=customers,
        troubles=Troubles(refusing=2),
        patience=20,
    )
    return simulated, story, lines


def test_somebody_leaves_and_nothing_is_forgotten_whatever_goes_wrong():
    simulated, story, lines = told()

    verdict = story.tell()

    assert verdict.faults == []
    assert story.case.status == CaseStatus.CLOSED
    leaver = Staff.objects.get(external_id=story.userid)
    assert not leaver.is_active
    items = TransferItem.objects.filter(transfer__case=story.case)
    chats, customers = (items.filter(subject=each) for each in (Subject.CHAT, Subject.CUSTOMER))
    assert (chats.count(), customers.count()) == (4, 16)
    assert customers.filter(state=ItemState.REFUSED).count() == 2
    assert chats.filter(state=ItemState.GONE).count() == 1
    report = "\n".join(lines)
    assert "2 位客户拒绝" in report
    assert "被解散了" in report
    assert "40099" in report
    assert "第 2 天" in report
    days = simulated.corp.clock.time() - story.case.opened_at.timestamp()
    assert days > timedelta(days=1).total_seconds()


def test_without_the_demonstration_nobody_leaves():
    usual = logging.getLogger("scrm.wecom.client").level
    with pytest.raises(CommandError, match="make up"):
        call_command("demo_resignation")
    assert logging.getLogger("scrm.wecom.client").level == usual


def test_the_simulator_says_what_it_did_not_do():
    company = SimulatedCompany(simulated_corp().connection)
    with pytest.raises(NotSimulated, match="没有员工 nobody"):
        company.do("resign_staff", userid="nobody")


def test_a_life_of_owners_has_no_gap():
    one, two, three, end = range(4)
    assert covers([(one, two), (two, None)], one, None)
    assert covers([(one, two), (two, end)], one, end)
    assert not covers([(one, two), (three, None)], one, None)
    assert not covers([(two, None)], one, None)
    assert not covers([(one, two)], one, None)
    assert not covers([], one, None)
