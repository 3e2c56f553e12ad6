import json
from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from campaigns.selectors.values import value_of
from members.admin.value_matrix import bias_of
from members.criteria import matching
from members.models import DailyRun, PredictionModel
from members.rules.daily_runs import DailyRunKind
from members.rules.values import Behaviour, ValueBand
from members.selectors.value_matrix import value_matrix
from scrm.accounts.rules.roles import DataScope, Role
from scrm.shared.criteria import parse_criterion
from tests.accounts.factories import EnterpriseFactory, UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import MemberFactory, MembershipFactory, PurchaseFactory
from tests.members.value_factories import MemberValueFactory, PurchaseDayFactory, ValueCellFactory

ON = date(2026, 6, 1)


@pytest.fixture
def user(db):
    return UserFactory(
        enterprise=EnterpriseFactory(profiling_needs_consent=False), role=Role.ADMINISTRATOR
    )


@pytest.fixture
def api(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def page(user):
    client = Client()
    client.force_login(user)
    return client


def valued(user, **values):
    return MemberValueFactory(member=MemberFactory(enterprise=user.enterprise), **values)


def test_values_are_listed_narrowed_and_sorted(api, user):
    rich, poor = valued(user, clv_amount=900), valued(user, clv_amount=100)
    valued(user, behaviour=Behaviour.DORMANT, clv_amount=None, clv_band=ValueBand.NONE)
    url = reverse("member-value-list")
    found = api.get(url, {"behaviour": "talker", "ordering": "-clv_amount"}).json()["results"]
    assert [row["member"] for row in found] == [rich.pk, poor.pk]
    assert [row["member"] for row in api.get(url, {"min_clv": 500}).json()["results"]] == [rich.pk]
    assert len(api.get(url).json()["results"]) == 3
    assert api.get(url, {"segment": "kings"}).status_code == 400
    assert api.get(url, {"nonsense": "1"}).status_code == 400


def test_values_of_a_community(api, user):
    community = CommunityFactory(enterprise=user.enterprise)
    inside = valued(user)
    MembershipFactory(community=community, member=inside.member)
    valued(user)
    found = api.get(reverse("member-value-list"), {"community": community.pk}).json()["results"]
    assert [row["member"] for row in found] == [inside.pk]


def test_the_matrix_has_counts_worth_and_what_became_of_those_before(api, user):
    valued(user, clv_amount=500)
    valued(user, clv_amount=700)
    ValueCellFactory(enterprise=user.enterprise, cut=date(2026, 4, 27), active_count=1)
    ValueCellFactory(enterprise=user.enterprise)
    ValueCellFactory(enterprise=user.enterprise, cut=date(2026, 5, 25), measured_count=None)
    found = api.get(reverse("value-matrix")).json()
    assert found["cut"] == "2026-05-04"
    (cell,) = found["cells"]
    assert (cell["member_count"], cell["clv_amount"]) == (2, 1200)
    assert (cell["retention"], cell["buying"], cell["is_few"]) == (0.75, 0.5, False)
    assert api.get(reverse("value-matrix"), {"community": "9"}).status_code == 400


def test_the_criterion_of_a_cell_finds_its_members(api, user):
    member = valued(user).member
    valued(user, behaviour=Behaviour.DORMANT)
    cells = api.get(reverse("value-matrix")).json()["cells"]
    raw = next(cell["criterion"] for cell in cells if cell["behaviour"] == Behaviour.TALKER)
    now = member.created_at
    assert list(matching(parse_criterion(raw), enterprise=user.enterprise, now=now)) == [member]


def test_few_people_are_marked(user):
    ValueCellFactory(enterprise=user.enterprise, member_count=5, measured_count=5)
    assert value_matrix(user).cells[0].is_few


def test_who_sees_a_part_sees_no_rates_of_everybody(user):
    some = UserFactory(
        enterprise=user.enterprise, role=Role.OPERATOR, data_scope=DataScope.OWN_COMMUNITIES
    )
    valued(user)
    ValueCellFactory(enterprise=user.enterprise)
    matrix = value_matrix(some)
    assert matrix.cells == ()
    assert matrix.cut is None


def test_the_page_links_each_cell_to_its_list_and_to_a_new_segment(page, user):
    rich = valued(user)
    valued(user, segment="", recency=0, clv_amount=None, clv_band=ValueBand.NONE)
    ValueCellFactory(enterprise=user.enterprise, measured_count=12, active_count=9)
    answer = page.get(reverse("admin:members_membervalue_matrix"))
    assert answer.status_code == 200
    box = answer.context["lines"][0].boxes[0]
    assert box.count == 1
    assert box.retention == "75%"
    listed = page.get(box.rows)
    assert [value.pk for value in listed.context["cl"].result_list] == [rich.pk]
    asked = parse_qs(urlsplit(box.segment).query)
    form = page.get(box.segment)
    assert form.context["adminform"].form.initial["criterion"] == asked["criterion"][0]
    assert json.loads(asked["criterion"][0])["all"][0]["value"] == "champions"
    unscored = answer.context["lines"][-1].total
    assert unscored.segment == ""
    assert len(page.get(unscored.rows).context["cl"].result_list) == 1


def test_the_page_of_one_behaviour_in_one_community(page, user):
    community = CommunityFactory(enterprise=user.enterprise)
    MembershipFactory(community=community, member=valued(user).member)
    asked = {"community": community.pk, "behaviour": Behaviour.TALKER}
    answer = page.get(reverse("admin:members_membervalue_matrix"), asked)
    box = answer.context["lines"][0].boxes[0]
    assert len(page.get(box.rows).context["cl"].result_list) == 1
    assert (
        page.get(reverse("admin:members_membervalue_matrix"), {"community": "x"}).status_code == 200
    )


def test_the_page_before_the_first_night_says_when_it_comes(page):
    answer = page.get(reverse("admin:members_membervalue_matrix"))
    assert "2:40" in answer.content.decode()


def test_the_most_valuable_come_first_and_those_without_an_estimate_last(page, user):
    poor, rich = valued(user, clv_amount=1), valued(user, clv_amount=2)
    unknown = valued(user, clv_amount=None)
    answer = page.get(reverse("admin:members_membervalue_changelist"))
    listed = [value.pk for value in answer.context["cl"].result_list]
    assert listed == [rich.pk, poor.pk, unknown.pk]
    detail = reverse("admin:members_membervalue_change", args=[rich.pk])
    assert page.get(detail).status_code == 200


def test_the_bias_of_a_model_is_said_in_money():
    holdout = {
        "until": "1997-10-01",
        "weeks": 39.0,
        "buyers": 2357,
        "amount": {"expected": 5_869_700.0, "actual": 7_097_600.0, "ratio": 0.827},
    }
    sentence = bias_of(PredictionModel(figures={"holdout": holdout}))
    assert "偏低 17%" in sentence
    assert "¥70,976" in sentence
    assert bias_of(PredictionModel(figures={})) == ""


def test_the_command_values_everybody_and_says_how(user, capsys):
    member = MemberFactory(enterprise=user.enterprise)
    for day in (3, 20, 25):
        PurchaseDayFactory(member=member, day=date(2026, 5, day))
    call_command("value_members", on=ON, json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["members"], told["unconsented"], told["currency"]) == (1, 0, "CNY")
    assert "too_few_buyers" in told["notes"]
    run = DailyRun.objects.get(kind=DailyRunKind.VALUES, day=ON)
    assert run.finished_at is not None
    user.enterprise.profiling_needs_consent = True
    user.enterprise.save()
    call_command("value_members", on=ON)
    told = capsys.readouterr().out
    assert "1 位没有同意画像" in told
    assert "登记" in told


def test_worth_is_what_is_expected_and_else_what_was_bought(user):
    estimated = valued(user, clv_amount=700).member
    unknown = MemberFactory(enterprise=user.enterprise)
    for member in (estimated, unknown):
        PurchaseFactory(member=member, paid_amount=300, refunded_amount=50)
    as_of = PurchaseFactory.paid_at
    assert value_of([estimated.pk, unknown.pk], as_of=as_of) == 700 + 250
    assert value_of([], as_of=as_of) == 0
