"""Files that are handed in: over the API, or by the form in the admin."""

import base64
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from openpyxl import Workbook
from rest_framework.test import APIClient

from members.errors import FileTooLarge, ImportRunning, NotHandedIn, UnreadableFile
from members.models import (
    ActivityCoverage,
    ActivityEvent,
    Consent,
    ImportPayload,
    ImportRejection,
    ImportRun,
    Member,
    Purchase,
)
from members.models.import_run import FileFormat, ImportKind
from members.services import imports
from members.services.importing import attempt, rejects, spreadsheets
from members.services.importing.files import Newcomers
from members.services.imports import hand_in, imports_to_take, take_in
from scrm.accounts.rules.roles import Capability, DataScope, Role
from tests.accounts.factories import ApiKeyFactory, UserFactory, plain_key_of
from tests.communities.factories import CommunityFactory
from tests.members.factories import MemberFactory

HEADER = "member,community,kind,occurred_at,dedupe_key\n"


@pytest.fixture
def community(db):
    return CommunityFactory(code="baoma")


@pytest.fixture
def member(community):
    return MemberFactory(enterprise=community.enterprise, external_id="C-1")


@pytest.fixture
def operator(community):
    return UserFactory(enterprise=community.enterprise, role=Role.OPERATOR)


def at(day, hour=10):
    return datetime(2026, 11, day, hour, tzinfo=UTC).isoformat()


def lines(*days, member="C-1"):
    rows = [f"{member},baoma,message,{at(day)},k{n}" for n, day in enumerate(days)]
    return (HEADER + "\n".join(rows) + "\n").encode()


def given(community, content, *, name="events.csv", actor=None, **options):
    return hand_in(
        community.enterprise,
        kind=options.pop("kind", ImportKind.ACTIVITY),
        source="export",
        content=content,
        file_name=name,
        actor=actor,
        **options,
    )


def taken(run):
    assert take_in(run.pk, budget=60)
    run.refresh_from_db()
    return run


def counts(run):
    return run.accepted_count, run.duplicate_count, run.rejected_count


def cell(day, hour=0, minute=0):
    """What Excel calls a date: it knows no time zone."""
    return datetime(2026, 11, day, hour, minute)  # noqa: DTZ001


def workbook(*rows):
    book = Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


# --- Handing in -----------------------------------------------------------------------------------


def test_a_file_is_taken_in_and_forgotten(community, member):
    run = taken(given(community, lines(1, 2, 3)))

    assert (counts(run), run.failure) == ((3, 0, 0), "")
    assert run.finished_at
    assert ActivityEvent.objects.count() == 3
    assert not ImportPayload.objects.exists()


def test_the_same_file_is_the_same_run(community, member):
    first = given(community, lines(1))
    again = given(community, lines(1))
    taken(first)
    after = given(community, lines(1))

    assert first.pk == again.pk == after.pk
    assert not ImportPayload.objects.exists()
    assert imports_to_take() == []


def test_a_finished_file_is_read_anew_only_when_asked(community, member):
    taken(given(community, lines(1) + b"C-2,baoma,message,2026-11-02T10:00:00+00:00,k9\n"))
    MemberFactory(enterprise=community.enterprise, external_id="C-2")

    run = given(
        community, lines(1) + b"C-2,baoma,message,2026-11-02T10:00:00+00:00,k9\n", again=True
    )
    assert counts(taken(run)) == (1, 1, 0)
    assert not ImportRejection.objects.exists()


def test_refused_rows_are_kept_with_their_place_line_and_words(community, member):
    content = (
        lines(1)
        + (
            f"C-1,baoma,dance,{at(2)},a\nC-1,baoma,message,{at(3)}\n=1+1,baoma,message,{at(4)},b\n"
        ).encode()
    )

    run = taken(given(community, content))

    found = list(run.rejections.order_by("position").values_list("position", "line", "code"))
    assert found == [
        (1, 3, "unknown_kind"),
        (2, 4, "wrong_column_count"),
        (3, 5, "unknown_member"),
    ]
    assert counts(run) == (1, 0, 3)
    assert run.rejections.get(position=3).raw.startswith("=1+1,baoma")


def test_of_very_many_refused_rows_only_the_first_are_kept(community, monkeypatch):
    monkeypatch.setattr(rejects, "ROWS_LIMIT", 3)
    monkeypatch.setattr(attempt, "BATCH_SIZE", 2)

    run = taken(given(community, lines(1, 2, 3, 4, 5)))

    assert counts(run) == (0, 0, 5)
    assert list(run.rejections.order_by("position").values_list("position", flat=True)) == [0, 1, 2]


def test_a_file_that_cannot_be_read_ends_with_the_reason(community):
    run = taken(given(community, b"member,when\nC-1,today\n"))

    assert run.finished_at
    assert "缺少列" in run.failure
    assert not ImportPayload.objects.exists()
    again = given(community, b"member,when\nC-1,today\n")
    assert (again.pk, again.failure, again.finished_at) == (run.pk, "", None)


@pytest.mark.parametrize(
    ("content", "kind", "refusal"),
    [
        (b"", ImportKind.ACTIVITY, UnreadableFile),
        (b"x", ImportKind.MEMBERS, NotHandedIn),
        (b"x" * (imports.MAX_BYTES + 1), ImportKind.ACTIVITY, FileTooLarge),
    ],
)
def test_what_cannot_be_handed_in_is_refused(community, content, kind, refusal):
    with pytest.raises(refusal):
        given(community, content, kind=kind)
    assert not ImportRun.objects.exists()


def test_purchases_come_the_same_way(community, member):
    content = f"member,order_number,paid_at,paid_amount\nC-1,A1,{at(1)},990\nC-1,A2,{at(1)},-5\n"

    run = taken(given(community, content.encode(), kind=ImportKind.PURCHASES))

    assert counts(run) == (1, 0, 1)
    assert Purchase.objects.get().paid_amount == 990


def test_rows_name_only_what_the_uploader_can_see(community, member):
    limited = UserFactory(
        enterprise=community.enterprise,
        role=Role.OPERATOR,
        data_scope=DataScope.OWN_COMMUNITIES,
    )

    run = taken(given(community, lines(1), actor=limited))

    assert run.rejections.get().code == "unknown_community"


# --- Coverage and newcomers -----------------------------------------------------------------------


def test_the_source_has_listened_from_the_first_to_the_last_event_of_a_file(community, member):
    taken(given(community, lines(20, 1)))

    period = ActivityCoverage.objects.get()
    assert (period.covered_from.day, period.covered_to.day) == (1, 20)


def test_a_file_whose_coverage_is_stated_covers_no_more_than_that(community, member):
    taken(given(community, lines(20, 1), covers=[]))

    assert ActivityCoverage.objects.count() == 2


def test_newcomers_are_put_on_file_and_have_consented_where_that_is_said(community):
    known = MemberFactory(enterprise=community.enterprise, external_id="C-1")
    content = lines(1) + f"C-9,baoma,message,{at(2)},z\n".encode()

    taken(given(community, content, newcomers=Newcomers(are_created=True, consent_text="2026-1")))

    newcomer = Member.objects.get(external_id="C-9")
    consent = Consent.objects.get()
    assert consent.member == newcomer != known
    assert (consent.purpose, consent.text_version) == ("profiling", "2026-1")


# --- Workers --------------------------------------------------------------------------------------


def test_a_long_import_goes_on_in_the_next_step(community, member, monkeypatch):
    monkeypatch.setattr(attempt, "BATCH_SIZE", 2)
    run = given(community, lines(1, 2, 3, 4, 5))

    assert not take_in(run.pk, budget=0)
    run.refresh_from_db()
    assert (run.accepted_count, run.lease_until, run.finished_at) == (2, None, None)
    assert not take_in(run.pk, budget=0)
    assert counts(taken(run)) == (5, 0, 0)


def test_while_a_worker_holds_the_lease_no_other_takes_the_run(community, member):
    run = given(community, lines(1))
    ImportRun.objects.filter(pk=run.pk).update(lease_until=Now() + timedelta(minutes=1))

    assert imports_to_take() == []
    assert take_in(run.pk, budget=60)
    run.refresh_from_db()
    assert run.finished_at is None


def test_a_worker_that_lost_its_lease_keeps_nothing(community, member):
    run = given(community, lines(1))
    ImportRun.objects.filter(pk=run.pk).update(lease_until=datetime(2026, 1, 1, tzinfo=UTC))
    run.lease_until = datetime(2025, 1, 1, tzinfo=UTC)

    with pytest.raises(ImportRunning):
        attempt.keep(run, accepted_count=7)


def test_a_file_that_kills_every_worker_is_given_up(community, member):
    run = given(community, lines(1))
    ImportRun.objects.filter(pk=run.pk).update(attempt_count=imports.ATTEMPTS_LIMIT)

    assert "多次中断" in taken(run).failure


# --- Formats --------------------------------------------------------------------------------------


def test_json_lines_are_judged_one_by_one(community, member):
    event = {
        "member": "C-1",
        "community": "baoma",
        "kind": "message",
        "occurred_at": at(1),
        "dedupe_key": "a",
    }
    rows = [
        json.dumps(event),
        "",
        json.dumps({**event, "dedupe_key": 7}),
        json.dumps({**event, "surprise": 1}),
        "[1]",
        "{",
        '{"member": NaN}',
        json.dumps({**event, "member": "\0\ud800"}),
        "[" * 5000,
    ]

    run = taken(given(community, "\n".join(rows).encode(), name="events.jsonl"))

    assert run.format == FileFormat.LINES
    assert counts(run) == (1, 0, 7)
    codes = list(run.rejections.order_by("position").values_list("line", "code"))
    assert codes == [
        (3, "not_text"),
        (4, "unknown_field"),
        (5, "not_an_object"),
        (6, "malformed"),
        (7, "malformed"),
        (8, "control_character"),
        (9, "malformed"),
    ]


def test_a_line_of_json_that_never_ends_costs_only_itself(community, member):
    good = json.dumps(
        {
            "member": "C-1",
            "community": "baoma",
            "kind": "message",
            "occurred_at": at(1),
            "dedupe_key": "a",
        }
    )
    content = f'"{"x" * 200_000}\n{good}\n'.encode()

    run = taken(given(community, content, name="events.jsonl"))

    assert counts(run) == (1, 0, 1)
    assert run.rejections.get().code == "record_too_long"


def test_cells_of_excel_are_read_as_people_mean_them(community):
    MemberFactory(enterprise=community.enterprise, external_id="10086")
    content = workbook(
        ["member", "community", "kind", "occurred_at", "dedupe_key", "thread", None],
        [10086, "baoma", "message", cell(20, 9, 30), "k1", "=1+1"],
        [None, None],
        [10086, "baoma", "message", "2026-11-20T09:30:00+08:00", 17, None],
        [123456789012345678, "baoma", "message", cell(20), "k2"],
        [10086, "baoma", "message", cell(20), "k3", "", "one too many"],
        [10086, "baoma", "message", cell(20), "k4", "#N/A"],
    )

    run = taken(given(community, content, name="events.xlsx"))

    assert run.format == FileFormat.EXCEL
    assert set(ActivityEvent.objects.values_list("dedupe_key", "occurred_at")) == {
        ("k1", datetime(2026, 11, 20, 1, 30, tzinfo=UTC)),
        ("17", datetime(2026, 11, 20, 1, 30, tzinfo=UTC)),
    }
    assert list(run.rejections.order_by("line").values_list("line", "code")) == [
        (5, "number_too_long"),
        (6, "wrong_column_count"),
        (7, "cell_error"),
    ]


def test_an_excel_import_goes_on_at_the_row_where_it_stopped(community, member, monkeypatch):
    monkeypatch.setattr(attempt, "BATCH_SIZE", 2)
    header = ["member", "community", "kind", "occurred_at", "dedupe_key"]
    rows = [["C-1", "baoma", "message", cell(day), f"k{day}"] for day in range(1, 6)]
    run = given(community, workbook(header, *rows), name="events.xlsx")

    while not take_in(run.pk, budget=0):
        pass
    run.refresh_from_db()
    assert counts(run) == (5, 0, 0)


def zipped(**parts):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(a=b"x"), "读不了"),
        (b"PK\x03\x04 but no archive", "读不了"),
        (workbook(), "空的"),
    ],
)
def test_a_broken_excel_file_ends_with_words(community, content, words):
    assert words in taken(given(community, content, name="events.xlsx")).failure


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(community, monkeypatch):
    monkeypatch.setattr(spreadsheets, "UNPACKED_LIMIT", 100_000)
    bomb = zipped(**{"xl/worksheets/sheet1.xml": b"0" * 200_000})

    assert len(bomb) < 2000
    assert "太大" in taken(given(community, bomb, name="events.xlsx")).failure


# --- The API --------------------------------------------------------------------------------------


@pytest.fixture
def api():
    return APIClient()


@pytest.fixture
def client(api, operator):
    api.force_authenticate(operator)
    return api


def body(content, changes=()):
    return {
        "kind": "activity",
        "source": "export",
        "file_name": "events.csv",
        "content": base64.b64encode(content).decode(),
    } | dict(changes)


def test_a_form_with_a_file_is_accepted_and_can_be_watched(client, community, member):
    file = SimpleUploadedFile("事件.csv", lines(1) + b"oops\n", "text/csv")
    response = client.post(
        "/api/v1/import-runs/",
        {"kind": "activity", "source": "export", "content": file, "again": "false"},
        format="multipart",
    )

    assert response.status_code == 202, response.content
    told = response.json()
    assert (told["state"], told["file_name"], told["progress"]) == ("waiting", "事件.csv", None)
    taken(ImportRun.objects.get())
    seen = client.get(response["Location"]).json()
    assert (seen["state"], seen["progress"], seen["rejected_count"]) == ("finished", 1.0, 1)
    refused = client.get(f"/api/v1/import-runs/{told['id']}/rejections/").json()["results"]
    assert [row["code"] for row in refused] == ["wrong_column_count"]


def test_json_with_base64_does_the_same(client, community, member):
    response = client.post("/api/v1/import-runs/", body(lines(1)), format="json")

    assert response.status_code == 202
    assert counts(taken(ImportRun.objects.get())) == (1, 0, 0)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "members"}, "invalid_choice"),
        ({"content": "no base64!"}, "invalid"),
        ({"consent_text": "v1"}, "needs_create_members"),
        ({"surprise": 1}, "unknown_field"),
        ({"content": ""}, "unreadable_file"),
    ],
)
def test_a_bad_upload_says_why(client, community, changes, code):
    response = client.post("/api/v1/import-runs/", body(lines(1), changes), format="json")

    assert response.status_code in {400, 409}
    problem = response.json()
    assert code in {problem["code"], *(error["code"] for error in problem.get("errors", []))}


def test_newcomers_need_the_right_to_manage_members(api, operator):
    key = ApiKeyFactory(user=operator, scopes=[Capability.INGEST_ACTIVITY.value])
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {plain_key_of(key)}")

    response = api.post(
        "/api/v1/import-runs/", body(lines(1), {"create_members": True}), format="json"
    )

    assert response.status_code == 403
    assert not ImportRun.objects.exists()


def test_who_sees_only_some_communities_sees_refused_rows_of_their_own_files(
    api, community, operator
):
    run = taken(given(community, b"nonsense\n" + lines(1), actor=operator))
    run = taken(given(community, lines(1), actor=operator))
    limited = UserFactory(
        enterprise=community.enterprise, role=Role.OPERATOR, data_scope=DataScope.OWN_COMMUNITIES
    )
    api.force_authenticate(limited)

    refused = api.get(f"/api/v1/import-runs/{run.pk}/rejections/").json()
    assert refused["results"] == []
    assert run.rejections.exists()


# --- The admin ------------------------------------------------------------------------------------


@pytest.fixture
def browser(operator):
    browser = Client()
    browser.force_login(operator)
    return browser


def test_an_operator_uploads_a_file_and_downloads_what_was_refused(browser, community, member):
    file = SimpleUploadedFile("events.csv", lines(1) + f'"=cmd()",baoma,x,{at(1)},z\n'.encode())
    page = browser.get(reverse("admin:members_importrun_add"))
    assert page.status_code == 200

    response = browser.post(
        reverse("admin:members_importrun_add"),
        {"kind": "activity", "source": "export", "upload": file},
    )

    run = ImportRun.objects.get()
    assert response.status_code == 302, response.content.decode()
    taken(run)
    assert "events.csv" in browser.get(reverse("admin:members_importrun_changelist")).text
    assert browser.get(reverse("admin:members_importrun_change", args=[run.pk])).status_code == 200
    refused = browser.get(reverse("admin:members_importrun_rejects", args=[run.pk]))
    assert ",\"'=cmd" in b"".join(refused.streaming_content).decode()


def test_a_file_that_is_no_file_is_refused_in_the_form(browser, community):
    response = browser.post(
        reverse("admin:members_importrun_add"),
        {"kind": "activity", "source": "bad source!", "upload": SimpleUploadedFile("a.csv", b"x")},
    )

    assert response.status_code == 200
    assert "数据来源" in response.text


# --- The commands ---------------------------------------------------------------------------------


def test_the_command_records_the_consent_of_those_it_creates(community, tmp_path):
    path = tmp_path / "events.csv"
    path.write_bytes(lines(1, member="C-7"))
    output = StringIO()

    call_command(
        "import_activity", path, create_members=True, consent_profiling="2026-1", stdout=output
    )

    assert Consent.objects.get().member.external_id == "C-7"
    assert "没有画像授权" not in output.getvalue()
    with pytest.raises(CommandError, match="--create-members"):
        call_command("import_activity", path, consent_profiling="2026-1")


def test_the_command_says_that_newcomers_without_consent_are_not_scored(community, tmp_path):
    path = tmp_path / "events.csv"
    path.write_bytes(lines(1, member="C-7"))
    output = StringIO()

    call_command("import_activity", path, create_members=True, stdout=output)

    assert "--consent-profiling" in output.getvalue()
    assert not Consent.objects.exists()
