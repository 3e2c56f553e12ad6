import csv
import json
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.utils import timezone

from members.models import ImportRun, MemberClassification
from members.rules.standing import ClassificationSource
from tests.accounts.factories import EnterpriseFactory
from tests.communities.factories import ClassificationAxisFactory, ClassificationValueFactory
from tests.members.factories import MemberFactory
from tests.members.standing_factories import MemberClassificationFactory

pytestmark = pytest.mark.django_db

HEADER = "external_id,axis,value,expires_at"


@pytest.fixture
def region():
    axis = ClassificationAxisFactory(code="region", is_exclusive=True)
    for code in ("east", "south"):
        ClassificationValueFactory(axis=axis, code=code)
    return axis


@pytest.fixture
def member(region):
    return MemberFactory(enterprise=region.enterprise, external_id="c1")


@pytest.fixture
def run(tmp_path, region):
    def run(*lines, header=HEADER, options=()):
        path = tmp_path / "classes.csv"
        path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
        out = StringIO()
        slug = region.enterprise.slug
        call_command(
            "import_classifications",
            path,
            "--json",
            f"--enterprise={slug}",
            *options,
            stdout=out,
        )
        return json.loads(out.getvalue())

    return run


def in_force(member):
    rows = member.classifications.in_force(timezone.now()).order_by("pk")
    return [(row.value.code, row.source) for row in rows]


def rejects_of(summary):
    with Path(summary["rejects_file"]).open(encoding="utf-8-sig") as file:
        return [row[:2] for row in csv.reader(file)][1:]


def test_members_are_classified_until_the_end_of_a_day(run, member):
    day = (timezone.now() + timedelta(days=30)).date()

    summary = run(f"c1,region,east,{day}")

    assert (summary["accepted"], summary["rejected"]) == (1, 0)
    granted = MemberClassification.objects.get()
    assert (granted.member, granted.source) == (member, ClassificationSource.IMPORT)
    local = granted.expires_at.astimezone(ZoneInfo("Asia/Shanghai"))
    assert local == datetime.combine(
        day + timedelta(days=1), datetime.min.time(), ZoneInfo("Asia/Shanghai")
    )
    assert ImportRun.objects.get().kind == "classifications"


def test_the_expiry_may_be_left_out(run, member):
    assert run("c1,region,east", header="external_id,axis,value")["accepted"] == 1

    assert MemberClassification.objects.get().expires_at is None


def test_the_same_again_is_a_duplicate_and_another_expiry_an_update(run, member):
    run("c1,region,east,")

    again = run("c1,region,east,", options=["--again"])
    later = run("c1,region,east,2999-01-01")

    assert (again["accepted"], again["duplicates"]) == (0, 1)
    assert (later["accepted"], later["updated"]) == (0, 1)
    assert MemberClassification.objects.count() == 1


def test_on_an_exclusive_axis_the_last_row_counts(run, member):
    summary = run("c1,region,east,", "c1,region,south,", "c1,region,east,")

    assert (summary["accepted"], summary["duplicates"]) == (3, 0)
    assert in_force(member) == [("east", "import")]


def test_what_a_colleague_said_is_not_replaced(run, region, member):
    MemberClassificationFactory(member=member, value=region.values.get(code="south"))

    summary = run("c1,region,east,")

    assert rejects_of(summary) == [["2", "weaker_source"]]
    assert in_force(member) == [("south", "operator")]


def test_rows_that_cannot_be_taken_are_refused_one_by_one(run, member):
    elsewhere = ClassificationValueFactory(axis__code="breed", code="corgi")
    MemberFactory(enterprise=EnterpriseFactory(), external_id="stranger")

    summary = run(
        "nobody,region,east,",
        "stranger,region,east,",
        f"c1,{elsewhere.axis.code},{elsewhere.code},",
        "c1,region,west,",
        ",region,east,",
        "c1,region,east,2020-01-01",
        "c1,region,east,tomorrow",
        "c1,region,east,2999-01-01T00:00:00",
        "c1,region,east,9999-12-31",
        "c1,region,east,",
    )

    assert summary["accepted"] == 1
    assert rejects_of(summary) == [
        ["2", "unknown_member"],
        ["3", "unknown_member"],
        ["4", "unknown_classification"],
        ["5", "unknown_classification"],
        ["6", "missing_value"],
        ["7", "expired"],
        ["8", "bad_time"],
        ["9", "bad_time"],
        ["10", "bad_time"],
    ]
    assert in_force(member) == [("east", "import")]
