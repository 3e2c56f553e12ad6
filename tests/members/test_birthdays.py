"""Birthdays: a day of the year, however it is written, and never a year."""

import re

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from members.models import Member
from members.rules.birthdays import birthday_number, birthday_words
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.members.factories import MemberFactory


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("03-08", 308),
        ("3/8", 308),
        ("3月8日", 308),
        (" 1990-03-08 ", 308),
        ("1990年3月8号", 308),
        ("19900308", 308),
        ("0308", 308),
        ("02-29", 229),
        ("12.31", 1231),
        ("02-30", None),
        ("13-01", None),
        ("00-10", None),
        ("308", None),  # 3-08 or 30-8
        ("", None),
        ("明天", None),
        ("٠٣-٠٨", None),
        ("03-08; DROP", None),
    ],
)
def test_a_birthday_is_read_as_people_write_it(text, number):
    assert birthday_number(text) == number
    if number is not None:
        assert birthday_number(birthday_words(number)) == number


@pytest.fixture
def operator():
    return UserFactory(role=Role.OPERATOR)


@pytest.fixture
def api(operator):
    client = APIClient()
    client.force_authenticate(operator)
    return client


@pytest.mark.django_db
def test_a_birthday_is_kept_without_its_year_and_can_be_taken_back(api):
    body = {"external_id": "c1", "nickname": "小白", "birthday": "1990-03-08"}
    created = api.post("/api/v1/members/", body).json()
    assert created["birthday"] == "03-08"
    assert Member.objects.get().birthday == 308

    url = f"/api/v1/members/{created['id']}/"
    assert api.patch(url, {"birthday": None}).json()["birthday"] is None
    refused = api.patch(url, {"birthday": "02-30"})
    assert refused.status_code == 400
    assert "birthday" in refused.json()["errors"][0]["attr"]


@pytest.mark.django_db
def test_operators_write_birthdays_on_the_page_of_a_member(client, operator):
    operator.is_staff = True
    operator.save()
    client.force_login(operator)
    member = MemberFactory(enterprise=operator.enterprise, birthday=1111)
    url = reverse("admin:members_member_change", args=[member.pk])
    page = client.get(url).content.decode()
    assert 'value="11-11"' in page
    tables = re.findall(r'name="([\w-]+-(?:TOTAL|INITIAL)_FORMS)" value="(\d+)"', page)
    form = {"nickname": member.nickname, **dict(tables)}

    refused = client.post(url, {**form, "birthday": "2月30日"})
    assert "写成月和日" in refused.content.decode()
    client.post(url, {**form, "birthday": "2月29日"})

    member.refresh_from_db()
    assert member.birthday == 229


@pytest.mark.django_db
def test_who_may_only_look_sees_it_in_words(client, operator):
    reader = UserFactory(role=Role.READ_ONLY, enterprise=operator.enterprise, is_staff=True)
    client.force_login(reader)
    member = MemberFactory(enterprise=operator.enterprise, birthday=308)

    page = client.get(reverse("admin:members_member_change", args=[member.pk]))

    assert "03-08" in page.content.decode()
