import csv
import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

from members.errors import ImportRunning, UnreadableFile, WrongHeader
from members.models import ActivityEvent, ImportRun, Member, MemberDay, Purchase
from members.services.importing import attempt as importing
from members.services.importing.files import ACTIVITY, Newcomers, activity_writer
from members.services.importing.run import LOCK_CLASS, Options, import_file, rejects_beside
from tests.accounts.factories import EnterpriseFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import MemberFactory

HEADER = "member,community,kind,occurred_at,dedupe_key,thread"


@pytest.fixture
def community(db):
    return CommunityFactory(code="cats")


@pytest.fixture
def member(community):
    return MemberFactory(enterprise=community.enterprise, external_id="m1")


@pytest.fixture
def write(tmp_path):
    def write(*lines, name="activity.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
        return path

    return write


def row(key, member="m1", community="cats", hours=1, kind="message", thread=""):
    at = (timezone.now() - timedelta(hours=hours)).isoformat()
    return f"{member},{community},{kind},{at},{key},{thread}"


def import_activity(path, enterprise, *, create_members=False, **options):
    return import_file(
        path,
        enterprise=enterprise,
        layout=ACTIVITY,
        write=activity_writer(
            enterprise, source="test", newcomers=Newcomers(are_created=create_members)
        ),
        options=Options(source="test", **options),
    )


def rejects_of(path):
    with rejects_beside(path).open(encoding="utf-8-sig", newline="") as file:
        return [(int(line), code, raw) for line, code, _why, raw in list(csv.reader(file))[1:]]


def counts(result):
    run = result.run
    return run.accepted_count, run.duplicate_count, run.rejected_count


def test_good_rows_are_kept_and_bad_ones_reported_by_line(community, member, write):
    path = write(
        HEADER,
        row("k1", thread="t"),
        row("k2", member="nobody"),
        "only,three,columns",
        "",
        row("k3").replace("+00:00", ""),
        row("k1"),
        row("k4", hours=-2),
        row("k5"),
    )

    result = import_activity(path, community.enterprise)

    assert counts(result) == (2, 1, 4)
    assert [(line, code) for line, code, _raw in rejects_of(path)] == [
        (3, "unknown_member"),
        (4, "wrong_column_count"),
        (6, "naive_time"),
        (8, "future_time"),
    ]
    assert set(ActivityEvent.objects.values_list("dedupe_key", flat=True)) == {"k1", "k5"}
    assert result.run.finished_at is not None
    assert result.run.line_count == 9


def test_columns_may_stand_in_any_order_and_optional_ones_be_missing(community, member, write):
    at = timezone.now().isoformat()
    path = write("kind, dedupe_key,occurred_at,community,member", f"like,k1,{at},cats,m1")

    import_activity(path, community.enterprise)

    event = ActivityEvent.objects.get()
    assert (event.kind, event.dedupe_key, event.thread) == ("like", "k1", "")


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("member,community,kind,occurred_at", "dedupe_key"),
        (f"{HEADER},mood", "mood"),
        (f"{HEADER},kind", "kind"),
        ("member;community;kind;occurred_at;dedupe_key", "member"),
        ("", "member"),
        (f'"{HEADER}', "表头"),
        ("x" * 100_000, "表头"),
    ],
)
def test_a_wrong_header_names_what_is_expected_and_keeps_nothing(
    community, member, write, header, named
):
    with pytest.raises(WrongHeader, match=named) as refusal:
        import_activity(write(header, row("k1")), community.enterprise)

    if "读不出" not in refusal.value.message:
        assert "member,community,kind,occurred_at,dedupe_key" in refusal.value.message
    assert not ActivityEvent.objects.exists()


def test_an_empty_or_absent_file_is_refused(community, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.touch()

    for path in (empty, tmp_path / "absent.csv", tmp_path):
        with pytest.raises(UnreadableFile):
            import_activity(path, community.enterprise)


def test_a_file_with_only_a_header_is_an_import_of_nothing(community, write):
    path = write(HEADER)

    assert counts(import_activity(path, community.enterprise)) == (0, 0, 0)
    assert not rejects_beside(path).exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_is_read_in_each_encoding(community, write, encoding):
    MemberFactory(enterprise=community.enterprise, external_id="小明")
    path = write(HEADER, row("键一", member="小明", thread="话题𠮷"), encoding=encoding)

    result = import_activity(path, community.enterprise)

    assert counts(result) == (1, 0, 0)
    assert ActivityEvent.objects.get().thread == "话题𠮷"
    assert result.run.encoding == encoding.removesuffix("-sig")


def test_lines_of_another_encoding_are_refused_and_the_others_kept(community, member, tmp_path):
    path = tmp_path / "mixed.csv"
    good = [row(f"好{n}").encode() for n in range(3)]
    path.write_bytes(b"\n".join([HEADER.encode(), *good, row("坏").encode("gb18030"), b""]))

    result = import_activity(path, community.enterprise)

    assert counts(result) == (3, 0, 1)
    assert [(line, code) for line, code, _raw in rejects_of(path)] == [(5, "bad_encoding")]


def test_an_encoding_may_be_demanded(community, member, write):
    path = write(HEADER, row("k1"))

    assert import_activity(path, community.enterprise, encoding="gb18030").run.encoding == "gb18030"
    with pytest.raises(UnreadableFile, match="latin"):
        import_activity(path, community.enterprise, encoding="latin-1")


def test_odd_bytes_and_giant_fields_are_refused_by_line(community, member, tmp_path):
    path = tmp_path / "odd.csv"
    lines = [
        HEADER,
        row("a\0b"),
        row("k" * 10_000_000),
        row('"quoted,\nkey"'),
        row("good"),
    ]
    path.write_bytes("\n".join(lines).encode())

    result = import_activity(path, community.enterprise)

    assert counts(result) == (1, 0, 3)
    assert [(line, code) for line, code, _raw in rejects_of(path)] == [
        (2, "control_character"),
        (3, "record_too_long"),
        (4, "control_character"),
    ]
    assert rejects_beside(path).stat().st_size < 5000


def test_what_a_spreadsheet_would_compute_is_defused_in_the_rejects(community, write):
    path = write(HEADER, row("k1", member="=HYPERLINK(1)"), row("k2", member="+8613800000000"))

    import_activity(path, community.enterprise)

    assert [raw[:3] for _line, _code, raw in rejects_of(path)] == ["'=H", "'+8"]


def test_unknown_members_can_be_put_on_file(community, write):
    path = write(HEADER, row("k1", member="new-1"), row("k2", member="new-2"))

    result = import_activity(path, community.enterprise, create_members=True)

    assert counts(result) == (2, 0, 0)
    assert Member.objects.filter(enterprise=community.enterprise).count() == 2


def test_a_finished_file_is_left_alone_until_asked_again(community, member, write):
    path = write(HEADER, row("k1"), row("k2", member="late"))
    import_activity(path, community.enterprise)
    MemberFactory(enterprise=community.enterprise, external_id="late")

    second = import_activity(path, community.enterprise)
    third = import_activity(path, community.enterprise, again=True)

    assert second.was_finished
    assert counts(third) == (1, 1, 0)
    assert ImportRun.objects.count() == 1
    assert ActivityEvent.objects.count() == 2
    assert third.run.rejects_file == ""


def test_an_import_goes_on_where_it_was_stopped(community, member, write, monkeypatch):
    monkeypatch.setattr(importing, "BATCH_SIZE", 4)
    lines = [row(f"k{n}", member="nobody" if n % 5 == 0 else "m1") for n in range(20)]
    path = write(HEADER, *lines)
    taken = []

    def writing(rows):
        if len(taken) == 3:
            raise KeyboardInterrupt
        taken.append(len(rows))
        return activity_writer(community.enterprise, source="test")(rows)

    with pytest.raises(KeyboardInterrupt):
        import_file(
            path,
            enterprise=community.enterprise,
            layout=ACTIVITY,
            write=writing,
            options=Options(source="test"),
        )
    halfway = ImportRun.objects.get()
    assert (halfway.line_count, halfway.finished_at) == (13, None)
    with rejects_beside(path).open("ab") as file:
        file.write(b"written, but not kept\n")

    result = import_activity(path, community.enterprise)

    assert result.resumed_at_line == 13
    assert counts(result) == (16, 0, 4)
    assert [line for line, _code, _raw in rejects_of(path)] == [2, 7, 12, 17]


def test_the_same_file_of_another_source_or_enterprise_is_another_import(community, member, write):
    path = write(HEADER, row("k1"))
    import_activity(path, community.enterprise)
    other = EnterpriseFactory()

    result = import_activity(path, other)

    assert not result.was_finished
    assert counts(result) == (0, 0, 1)


@pytest.mark.django_db(transaction=True)
def test_two_processes_cannot_import_one_file_at_the_same_time(write):
    community = CommunityFactory(code="cats")
    MemberFactory(enterprise=community.enterprise, external_id="m1")
    path = write(HEADER, row("k1"))
    run = import_activity(path, community.enterprise).run
    ImportRun.objects.update(finished_at=None)
    elsewhere = connection.copy()
    try:
        with elsewhere.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK_CLASS, run.pk])

        with pytest.raises(ImportRunning):
            import_activity(path, community.enterprise)
    finally:
        elsewhere.close()

    assert not import_activity(path, community.enterprise).was_finished


# --- The commands -------------------------------------------------------------------------------


def command(name, path, **options):
    output = StringIO()
    call_command(name, str(path), stdout=output, **options)
    return output.getvalue()


def test_the_command_tells_the_counts(community, member, write):
    path = write(HEADER, row("k1"), row("k2", member="nobody"))

    told = command("import_activity", path, enterprise=community.enterprise.slug)
    again = command("import_activity", path)

    assert "新增 1" in told
    assert "拒绝 1" in told
    assert str(rejects_beside(path)) in told
    assert "--again" in again


def test_the_command_speaks_json(community, member, write):
    path = write(HEADER, row("k1"))

    told = json.loads(command("import_activity", path, json=True))

    assert (told["status"], told["accepted"], told["lines"]) == ("finished", 1, 2)


def test_the_command_can_be_quiet(community, member, write):
    assert command("import_activity", write(HEADER, row("k1")), quiet=True) == ""


def test_the_command_refuses_with_the_reason(community, write):
    with pytest.raises(CommandError, match="dedupe_key"):
        command("import_activity", write("member"))
    with pytest.raises(CommandError, match="nowhere"):
        command("import_activity", write(HEADER), enterprise="nowhere")
    EnterpriseFactory()
    with pytest.raises(CommandError, match="--enterprise"):
        command("import_activity", write(HEADER))
    with pytest.raises(CommandError, match="数据来源"):
        command(
            "import_activity",
            write(HEADER, row("k")),
            enterprise=community.enterprise.slug,
            source="a b",
        )


def test_the_command_says_how_to_go_on_when_the_database_went_away(community, member, write):
    path = write(HEADER, row("k1"))

    def going_away(execute, sql, *arguments):
        if "activity_stage" in sql:
            raise OperationalError("server closed the connection\nunexpectedly")
        return execute(sql, *arguments)

    with (
        connection.execute_wrapper(going_away),
        pytest.raises(CommandError, match=r"server closed the connection。.*断点"),
    ):
        command("import_activity", path)

    assert "新增 1" in command("import_activity", path)


def test_purchases_are_imported(community, member, write):
    path = write(
        "member,order_number,paid_at,paid_amount,refunded_amount,currency",
        "m1,A1,2026-01-01T00:00:00+08:00,1990,,",
        "m1,A2,2026-01-02T00:00:00+08:00,500,500,USD",
        "m1,A1,2026-01-01T00:00:00+08:00,1990,1000,CNY",
        "m1,A3,2026-01-01T00:00:00+08:00,19.90,,",
    )

    told = json.loads(command("import_purchases", path, json=True))

    assert (told["accepted"], told["duplicates"], told["rejected"]) == (2, 1, 1)
    assert Purchase.objects.get(order_number="A1").refunded_amount == 1000
    assert [(line, code) for line, code, _raw in rejects_of(path)] == [(5, "not_an_integer")]


# --- Killed in the middle -------------------------------------------------------------------------


def state_of(enterprise):
    days = MemberDay.objects.filter(enterprise=enterprise).order_by("member__external_id", "day")
    return (
        ActivityEvent.objects.filter(enterprise=enterprise).count(),
        list(days.values_list("member__external_id", "day", "message_count", "thread_count")),
        list(
            ImportRun.objects.filter(enterprise=enterprise).values_list(
                "line_count", "accepted_count", "duplicate_count", "rejected_count"
            )
        ),
    )


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_killed_import_goes_on_and_ends_like_an_undisturbed_one(tmp_path):
    enterprises = [EnterpriseFactory(slug="killed"), EnterpriseFactory(slug="undisturbed")]
    for enterprise in enterprises:
        CommunityFactory(enterprise=enterprise, code="cats")
        for number in range(50):
            MemberFactory(enterprise=enterprise, external_id=f"m{number}")
    now = timezone.now()
    path = tmp_path / "big.csv"
    with path.open("w") as file:
        file.write(HEADER + "\n")
        for n in range(30_000):
            at = now - timedelta(minutes=n % 86_400)
            member = "nobody" if n % 1000 == 7 else f"m{n % 50}"
            file.write(f"{member},cats,message,{at.isoformat()},k{n % 29_000},t{n % 3}\n")

    kills = 0
    while kills < 2:
        process = started_import(path, "killed")
        before = ImportRun.objects.filter(enterprise=enterprises[0]).values_list("line_count")
        kept = before.first() or (0,)
        deadline = time.monotonic() + 60
        while process.poll() is None and (before.first() or (0,)) == kept:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        kills += 1
    assert ImportRun.objects.get().finished_at is None

    assert started_import(path, "killed").wait(60) == 0
    killed_rejects = rejects_of(path)
    rejects_beside(path).unlink()
    assert started_import(path, "undisturbed").wait(60) == 0

    assert state_of(enterprises[0]) == state_of(enterprises[1])
    assert (
        state_of(enterprises[0])[0]
        == ActivityEvent.objects.filter(enterprise=enterprises[0])
        .values("dedupe_key")
        .distinct()
        .count()
    )
    assert killed_rejects == rejects_of(path)
    assert len(killed_rejects) == 30


def started_import(path, slug):
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}@/{database['NAME']}?host={database['HOST']}"
    return subprocess.Popen(
        [sys.executable, "manage.py", "import_activity", path, "--enterprise", slug, "--quiet"],
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "scrm.settings"},
        start_new_session=True,
    )
