import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from communities.rules.kinds import EntryMode
from communities.rules.status import CommunityStatus
from members.models import EntryApplication, Member, Membership
from members.rules.status import ApplicationStatus, JoinSource
from tests.communities.factories import CommunityFactory, EntryPolicyFactory, GroupChatFactory
from tests.members.factories import MemberFactory, MembershipFactory, PurchaseFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def chat():
    return GroupChatFactory(community__code="cats")


@pytest.fixture
def write(tmp_path):
    def write(*lines, encoding="utf-8"):
        path = tmp_path / "members.csv"
        path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
        return path

    return write


def run(path, chat, *options, community="cats"):
    out = StringIO()
    slug = chat.enterprise.slug
    call_command(
        "import_members",
        path,
        "--json",
        f"--enterprise={slug}",
        *([f"--community={community}"] if community else []),
        *options,
        stdout=out,
    )
    return json.loads(out.getvalue())


def rejects_of(summary):
    with Path(summary["rejects_file"]).open(encoding="utf-8-sig") as file:
        return [row[:3] for row in csv.reader(file)][1:]


def test_members_are_put_on_file_and_join(chat, write):
    path = write("external_id,nickname,phone", "c1,小白,138 0013 8000", "c2,小黑,")

    summary = run(path, chat)

    assert (summary["accepted"], summary["rejected"]) == (2, 0)
    member = Member.objects.get(external_id="c1")
    assert (member.nickname, member.phone) == ("小白", "13800138000")
    assert Membership.objects.filter(source=JoinSource.IMPORT).count() == 2
    chat.refresh_from_db()
    assert chat.member_count == 2


def test_birthdays_come_along_and_fill_in_what_was_not_known(chat, write):
    MemberFactory(enterprise=chat.enterprise, external_id="known", birthday=1111)
    path = write(
        "external_id,nickname,phone,birthday",
        "c1,小白,,1990-03-08",
        "c2,小黑,,",
        "c3,小花,,2月30日",
        "known,老白,,12-24",
    )

    summary = run(path, chat, community=None)

    assert rejects_of(summary) == [["4", "bad_birthday", rejects_of(summary)[0][2]]]
    assert dict(Member.objects.values_list("external_id", "birthday")) == {
        "c1": 308,
        "c2": None,
        "known": 1111,
    }
    run(write("external_id,nickname,birthday", "c2,小黑,3/9"), chat, community=None)
    assert Member.objects.get(external_id="c2").birthday == 309


def test_gb18030_is_read_as_well(chat, write):
    run(write("external_id,nickname", "c1,龘靐齉", encoding="gb18030"), chat)

    assert Member.objects.get().nickname == "龘靐齉"


def test_the_same_file_again_changes_nothing(chat, write):
    path = write("external_id,nickname", "c1,小白")
    run(path, chat)

    again = run(path, chat, "--again")

    assert (again["accepted"], again["duplicates"]) == (0, 1)
    assert Membership.objects.count() == EntryApplication.objects.count() == 1


def test_somebody_known_joins_without_a_second_file(chat, write):
    MemberFactory(enterprise=chat.enterprise, external_id="c1", nickname="老友")

    assert run(write("external_id,nickname", "c1,小白"), chat)["accepted"] == 1
    assert Member.objects.get().nickname == "老友"


def test_a_member_already_in_is_a_duplicate(chat, write):
    MembershipFactory(community=chat.community, member__external_id="c1")

    assert run(write("external_id,nickname", "c1,小白"), chat)["duplicates"] == 1


def test_who_is_not_admitted_is_reported_with_the_clause(chat, write):
    chat.community.entry_policies.update(is_active=False)
    EntryPolicyFactory(
        community=chat.community,
        mode=EntryMode.RULE,
        criterion={"metric": "purchase_count", "op": "gte", "value": 1},
    )
    PurchaseFactory(member=MemberFactory(enterprise=chat.enterprise, external_id="c1"))

    summary = run(write("external_id,nickname", "c1,小白", "c2,小黑"), chat)

    assert (summary["accepted"], summary["rejected"]) == (1, 1)
    assert rejects_of(summary) == [
        ["3", "not_admitted", "未通过准入：购买次数 ≥ 1：实际 0，还差 1"]
    ]
    assert EntryApplication.objects.get(member__external_id="c2").status == (
        ApplicationStatus.REJECTED
    )


def test_bad_rows_are_reported_and_good_ones_kept(chat, write):
    path = write(
        "external_id,nickname,phone",
        ",无名,",
        "c2,小黑,not a phone",
        f"c3,{'长' * 200},",
        "c4",
        "c5,小花,13800138000",
        "c6,小虎,13800138000",
    )

    summary = run(path, chat)

    assert summary["accepted"] == 1
    assert [(line, code) for line, code, _ in rejects_of(summary)] == [
        ("2", "missing_value"),
        ("3", "not_a_phone"),
        ("4", "too_long"),
        ("5", "wrong_column_count"),
        ("7", "phone_taken"),
    ]
    assert Member.objects.count() == 1


def test_a_community_that_takes_nobody_refuses_every_row_but_keeps_the_files(chat, write):
    chat.community.status = CommunityStatus.PAUSED
    chat.community.save(update_fields=["status"])

    summary = run(write("external_id,nickname", "c1,小白"), chat)

    assert [code for _, code, _ in rejects_of(summary)] == ["not_open_for_entry"]


def test_without_a_community_members_are_only_put_on_file(chat, write):
    summary = run(write("external_id,nickname", "c1,小白"), chat, community=None)

    assert summary["accepted"] == 1
    assert Member.objects.count() == 1
    assert not EntryApplication.objects.exists()


@pytest.mark.parametrize("code", ["nowhere", "foreign"])
def test_a_community_of_nobody_or_of_another_enterprise_is_unknown(chat, write, code):
    CommunityFactory(code="foreign")

    with pytest.raises(CommandError, match=code):
        run(write("external_id,nickname", "c1,小白"), chat, community=code)


def test_a_wrong_header_is_refused(chat, write):
    with pytest.raises(CommandError, match="缺少列：external_id"):
        run(write("id,nickname", "c1,小白"), chat)
