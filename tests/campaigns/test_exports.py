"""The recipients of a run as a file, and the pages of its report."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from campaigns.models import Delivery, QuitWatch
from campaigns.rules.csv_cells import harmless
from campaigns.rules.status import BroadcastTarget, DeliveryStatus
from campaigns.services import exporting
from campaigns.services.exporting import export_recipients
from campaigns.services.reporting import report_run
from campaigns.services.watching import watch_runs
from members.models import Member
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.campaigns.runs import add_dispatch, delivered_run, now, quits, run_to, running_broadcast
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.factories import PurchaseFactory

pytestmark = pytest.mark.django_db
CONFIRMED = {"_form_submitted": "on"}


def administrator_of(run):
    return UserFactory(enterprise=run.broadcast.enterprise, role=Role.ADMINISTRATOR)


def api_of(user):
    api = APIClient()
    api.force_authenticate(user)
    return api


def table_of(pieces):
    text = b"".join(pieces).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+86", "'+86"),
        ("-小明", "'-小明"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("小=明", "小=明"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(text, cell):
    assert harmless(text) == cell


def test_every_recipient_has_a_line_with_what_became_of_him_in_words():
    run, memberships = run_to(2)
    failed = Member.objects.create(
        enterprise=run.broadcast.enterprise, external_id="c-9", nickname='=HYPERLINK("x")'
    )
    add_dispatch(run, [failed.pk], at=now(), status=DeliveryStatus.FAILED, reason="no_answer")
    heading, *lines = table_of(export_recipients(run.pk, actor=administrator_of(run)))
    assert heading == ["收件人编号", "平台编号", "名称", "状态", "原因", "结果时间"]
    assert [line[0] for line in lines] == [
        *(str(m.member_id) for m in memberships),
        str(failed.pk),
    ]
    assert lines[2][1:5] == ["c-9", '\'=HYPERLINK("x")', "失败", "渠道没有应答"]
    assert lines[0][3] == "已送达"


def test_chats_are_named():
    community = CommunityFactory()
    chat = GroupChatFactory(enterprise=community.enterprise, community=community, name="北京一群")
    run = delivered_run(running_broadcast(community, target=BroadcastTarget.CHATS), [chat.pk])
    _heading, line = table_of(export_recipients(run.pk, actor=administrator_of(run)))
    assert line[:3] == [str(chat.pk), chat.external_id, "北京一群"]


def test_it_is_read_piece_by_piece(monkeypatch):
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 2)
    run, memberships = run_to(5)
    pieces = list(export_recipients(run.pk, actor=administrator_of(run)))
    assert len(pieces) == 1 + 3
    assert len(table_of(pieces)) == 1 + len(memberships)


def test_an_export_is_audited_even_if_nobody_reads_it():
    run, _memberships = run_to(3)
    actor = administrator_of(run)
    export_recipients(run.pk, actor=actor)
    event = AuditEvent.objects.get(verb="export_recipients")
    assert (event.actor, event.object_id) == (actor, run.broadcast_id)
    assert event.after == {"run": run.pk, "recipient_count": 3}


def test_only_who_may_export_gets_the_file(client):
    run, _memberships = run_to(2)
    report = report_run(run.pk)
    page = reverse("admin:campaigns_runreport_recipients", args=[report.pk])
    operator = UserFactory(enterprise=run.broadcast.enterprise, role=Role.OPERATOR)
    client.force_login(operator)
    assert client.post(page).status_code == 403
    assert api_of(operator).post(f"/api/v1/runs/{run.pk}/recipients/").status_code == 403
    client.force_login(administrator_of(run))
    assert page in client.get(page).content.decode()  # a button, for an export leaves a trace
    assert not AuditEvent.objects.filter(verb="export_recipients").exists()
    answer = client.post(page)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="run-{run.pk}.csv"'
    assert len(table_of(answer.streaming_content)) == 3


def test_programs_read_report_watches_and_recipients():
    run, memberships = run_to(50)
    quits(memberships[:3], at=now() - timedelta(hours=1))
    QuitWatch.objects.update(checked_at=now() - timedelta(hours=1))
    watch_runs()
    client = api_of(administrator_of(run))
    report = client.get(f"/api/v1/runs/{run.pk}/report/").json()
    assert report["is_final"] is False
    assert report["figures"]["people_reached"] == 50
    assert report["figures"]["roi"] is None
    day, three_days = client.get(f"/api/v1/runs/{run.pk}/watches/").json()
    assert (day["window_hours"], day["leave_count"]) == (24, 3)
    assert three_days["state"] == "watching"
    answer = client.post(f"/api/v1/runs/{run.pk}/recipients/", headers={"Accept": "text/csv"})
    assert len(table_of(answer.streaming_content)) == 51
    [row] = client.get("/api/v1/run-reports/").json()["results"]
    assert (row["run"], row["broadcast_name"]) == (run.pk, run.broadcast.name)


def test_the_report_page_says_in_words_whether_it_was_worth_it(client):
    run, memberships = run_to(50)
    PurchaseFactory(member=memberships[0].member, paid_amount=12_300, paid_at=now())
    report = report_run(run.pk)
    client.force_login(administrator_of(run))
    page = client.get(
        reverse("admin:campaigns_runreport_change", args=[report.pk])
    ).content.decode()
    assert "没有不发送的对照组" in page
    assert "ROI" in page
    assert 'data-type="bar"' in page
    lists = client.get(reverse("admin:campaigns_runreport_changelist")).content.decode()
    assert run.broadcast.name in lists


def test_a_report_can_be_computed_again(client):
    run, _memberships = run_to(4)
    report = report_run(run.pk)
    Delivery.objects.filter(run=run).update(status="failed")
    run.dispatches.update(delivered_count=0, failed_count=4)
    client.force_login(administrator_of(run))
    client.post(reverse("admin:campaigns_runreport_refresh", args=[report.pk]), CONFIRMED)
    report.refresh_from_db()
    assert report.figures["people_reached"] == 0
