"""A community that comes from elsewhere brings who was there from when to when."""

import base64
import csv
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from communities.rules.kinds import EntryMode
from communities.rules.status import CommunityStatus
from members.models import Consent, ImportRun, Member, Membership, StaleDay, Stay, TierDue
from members.rules.belonging import RawBelonging
from members.rules.status import JoinSource
from members.services.imports import take_in
from members.services.membership_history import record_history
from members.services.snapshots import snapshot_days
from members.signals import members_joined
from scrm.accounts.rules.roles import Capability, DataScope, Role
from tests.accounts.factories import ApiKeyFactory, UserFactory, plain_key_of
from tests.communities.factories import (
    CommunityFactory,
    TierFactory,
    TierSchemeFactory,
)
from tests.members.entry_factories import BlocklistEntryFactory
from tests.members.factories import MemberFactory, MembershipFactory

HEADER = "external_id,community,joined_at,nickname,left_at,leave_reason"


def at(day, month=3):
    return datetime(2026, month, day, 2, tzinfo=UTC)


@pytest.fixture
def community(db):
    return CommunityFactory(code="baoma", status=CommunityStatus.ACTIVE)


@pytest.fixture
def member(community):
    return MemberFactory(enterprise=community.enterprise, external_id="C-1")


def row(joined=1, left=None, *, member="C-1", community="baoma", **changes):
    values = {
        "external_id": member,
        "community": community,
        "joined_at": at(joined).isoformat(),
        "left_at": at(left).isoformat() if left else "",
    }
    return RawBelonging(**values | changes)


def recorded(community, *rows, **options):
    return record_history(community.enterprise, rows, now=timezone.now(), **options)


def counts(result):
    return result.accepted, result.duplicates, [bad.code for bad in result.rejects]


# --- What is taken --------------------------------------------------------------------------------


def test_who_has_not_left_is_a_member_and_who_has_was_one(community, member):
    result = recorded(community, row(1, 5, leave_reason="self"), row(5, 9), row(20))

    assert counts(result) == (3, 0, [])
    rows = Membership.objects.order_by("joined_at")
    assert [(one.joined_at, one.left_at, one.leave_reason) for one in rows] == [
        (at(1), at(5), "self"),
        (at(5), at(9), "unknown"),
        (at(20), None, ""),
    ]
    assert {(one.source, one.is_ungated) for one in rows} == {(JoinSource.IMPORT, False)}
    assert not Stay.objects.exists()


def test_the_same_times_again_change_nothing(community, member):
    rows = [row(1, 5), row(1, 5), row(20)]

    assert counts(recorded(community, *rows)) == (2, 1, [])
    assert counts(recorded(community, *rows)) == (0, 3, [])
    assert Membership.objects.count() == 2


@pytest.mark.parametrize(
    ("joined", "left", "code"),
    [
        (8, 12, "overlapping_membership"),
        (12, 18, "overlapping_membership"),
        (1, None, "overlapping_membership"),
        (10, 15, "overlapping_membership"),
        (25, None, "overlapping_membership"),
        (5, 10, None),
        (20, 21, "overlapping_membership"),
        (16, 20, None),
    ],
)
def test_times_that_cannot_both_be_are_refused(community, member, joined, left, code):
    MembershipFactory(
        community=community, member=member, joined_at=at(10), left_at=at(16), leave_reason="self"
    )
    MembershipFactory(community=community, member=member, joined_at=at(20))

    result = recorded(community, row(joined, left))

    assert [bad.code for bad in result.rejects] == ([code] if code else [])
    assert Membership.objects.count() == (2 if code else 3)


def test_of_rows_that_overlap_the_first_counts(community, member):
    result = recorded(community, row(1), row(5), row(5, 9))

    assert counts(result) == (1, 0, ["overlapping_membership"] * 2)
    assert "2026-03-01 10:00" in result.rejects[0].message


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"joined_at": "2099-01-01T00:00:00+08:00"}, "future_time"),
        ({"left_at": "2099-01-01T00:00:00+08:00"}, "future_time"),
        ({"joined_at": "2026-03-01 10:00:00"}, "naive_time"),
        ({"joined_at": "1980-01-01T00:00:00Z"}, "too_old"),
        ({"joined_at": None}, "bad_time"),
        ({"left_at": at(1, month=2).isoformat()}, "left_before_joined"),
        ({"left_at": 7}, "bad_time"),
        ({"leave_reason": "self"}, "still_there"),
        ({"left_at": at(2).isoformat(), "leave_reason": "bored"}, "unknown_leave_reason"),
        ({"external_id": ""}, "missing_value"),
        ({"external_id": "C-9"}, "unknown_member"),
        ({"external_id": "C-gone"}, "erased"),
        ({"external_id": "C-blocked"}, "blocked"),
        ({"external_id": "C-elsewhere"}, "unknown_member"),
        ({"community": "nowhere"}, "unknown_community"),
        ({"community": "theirs"}, "unknown_community"),
        ({"community": "over"}, "community_ended"),
    ],
)
def test_a_bad_row_is_refused_in_words(community, member, changes, code):
    enterprise = community.enterprise
    MemberFactory(enterprise=enterprise, external_id="C-gone", erased_at=timezone.now())
    MemberFactory(external_id="C-elsewhere")
    CommunityFactory(code="theirs", enterprise__slug="theirs")
    BlocklistEntryFactory(member=MemberFactory(enterprise=enterprise, external_id="C-blocked"))
    CommunityFactory(enterprise=enterprise, code="over", status=CommunityStatus.DISSOLVED)

    result = recorded(community, row()._replace(**changes), row(2))

    assert counts(result) == (1, 0, [code])
    assert result.rejects[0].message


def test_a_gate_that_nobody_saw_them_pass_marks_them(community, member):
    community.entry_policies.update(mode=EntryMode.INVITE_ONLY)

    recorded(community, row())

    assert Membership.objects.get().is_ungated


def test_newcomers_have_a_name_and_their_consent_where_that_is_said(community, member):
    rows = [row(member="C-8", nickname="小鱼"), row(member="C-9"), row(nickname="别名")]

    result = recorded(community, *rows, create_members=True, consent_text="2026-1")

    assert counts(result) == (3, 0, [])
    names = dict(Member.objects.values_list("external_id", "nickname"))
    assert names == {"C-1": member.nickname, "C-8": "小鱼", "C-9": "C-9"}
    assert set(Consent.objects.values_list("member__external_id", flat=True)) == {"C-8", "C-9"}


def test_only_what_the_uploader_sees_exists(community, member):
    limited = UserFactory(
        enterprise=community.enterprise, role=Role.OPERATOR, data_scope=DataScope.OWN_COMMUNITIES
    )

    assert counts(recorded(community, row(), visible_to=limited)) == (0, 0, ["unknown_community"])


# --- What follows from it -------------------------------------------------------------------------


@pytest.mark.parametrize("left", [None, 5])
def test_their_tiers_are_looked_at(community, member, left):
    TierFactory(
        scheme=TierSchemeFactory(enterprise=community.enterprise),
        criterion={"metric": "in_community", "op": "is", "of": "baoma", "value": True},
    )

    recorded(community, row(1, left))

    assert TierDue.objects.filter(member=member).exists()


def test_only_who_is_there_has_joined_and_nobody_is_greeted(community, member):
    heard = []
    members_joined.connect(lambda **facts: heard.append(facts), weak=False, dispatch_uid="test")
    try:
        recorded(community, row(1, 5), row(6))
    finally:
        members_joined.disconnect(dispatch_uid="test")

    here = Membership.objects.active().get()
    assert [(facts["membership_ids"], facts["stay_ids"]) for facts in heard] == [([here.pk], [])]


def test_snapshots_of_the_days_between_are_made_anew(community, member):
    days = [(at(1) + timedelta(days=n)).date() for n in range(30)]
    snapshot_days(community, first=days[0], last=days[-1])

    recorded(community, row(10, 12))

    stale = StaleDay.objects.order_by("day").values_list("day", flat=True)
    assert list(stale) == days[9:12]
    StaleDay.objects.all().delete()
    recorded(community, row(20))
    assert StaleDay.objects.count() == 11


@pytest.mark.django_db(transaction=True)
def test_two_files_at_once_leave_everybody_there_once():
    community = CommunityFactory(code="baoma", status=CommunityStatus.ACTIVE)
    rows = [row(n % 5 + 1, n % 5 + 8, member=f"C-{n}") for n in range(40)]
    rows += [row(n % 5 + 12, member=f"C-{n}") for n in range(40)]

    def work(step):
        try:
            return counts(recorded(community, *rows[::step], create_members=True))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(work, [1, -1, 1, -1]))

    assert sum(accepted for accepted, _, _ in results) == 80
    assert sum(duplicates for _, duplicates, _ in results) == 240
    assert Membership.objects.active().count() == 40


# --- Doors ----------------------------------------------------------------------------------------


def test_the_command_reads_a_file(community, member, tmp_path):
    path = tmp_path / "history.csv"
    lines = [f"C-1,baoma,{at(1).isoformat()},,,", f"C-9,x,{at(1).isoformat()},,,"]
    path.write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")
    out = StringIO()

    call_command("import_memberships", path, "--json", "--create-members", stdout=out)

    summary = json.loads(out.getvalue())
    assert (summary["accepted"], summary["rejected"]) == (1, 1)
    with Path(summary["rejects_file"]).open(encoding="utf-8-sig") as file:
        assert [line[1] for line in csv.reader(file)][1:] == ["unknown_community"]


def content():
    return f"{HEADER}\nC-1,baoma,{at(1).isoformat()},,,\n".encode()


def body():
    return {
        "kind": "memberships",
        "source": "export",
        "file_name": "history.csv",
        "content": base64.b64encode(content()).decode(),
    }


@pytest.mark.parametrize(("scopes", "status"), [(("MANAGE_MEMBERS",), 202), ((), 403)])
def test_a_file_over_the_api_needs_the_right_to_manage_members(community, member, scopes, status):
    operator = UserFactory(enterprise=community.enterprise, role=Role.OPERATOR)
    names = ["INGEST_ACTIVITY", "VIEW_MEMBERS", *scopes]
    key = ApiKeyFactory(user=operator, scopes=[Capability[name].value for name in names])
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {plain_key_of(key)}")

    response = api.post("/api/v1/import-runs/", body(), format="json")

    assert response.status_code == status
    for run in ImportRun.objects.all():
        assert take_in(run.pk, budget=60)
    assert Membership.objects.count() == (status == 202)


def test_an_operator_uploads_a_file(community, member):
    browser = Client()
    browser.force_login(UserFactory(enterprise=community.enterprise, role=Role.OPERATOR))
    page = browser.get(reverse("admin:members_importrun_add"))
    assert "在群历史：external_id、community、joined_at" in page.text

    browser.post(
        reverse("admin:members_importrun_add"),
        {
            "kind": "memberships",
            "source": "export",
            "upload": SimpleUploadedFile("history.csv", content()),
        },
    )

    assert take_in(ImportRun.objects.get().pk, budget=60)
    assert Membership.objects.get().member == member
