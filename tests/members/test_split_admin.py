import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.models import Broadcast
from communities.models import Community, SplitPlan
from members.models import SplitInvitation
from members.services.splitting import draft_split
from members.services.starting_splits import start_split
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.members.split_factories import GrownCommunity, branch_of
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db

ADD = "admin:communities_splitplan_add"
CHANGE = "admin:communities_splitplan_change"
CONFIRMED = {"_form_submitted": "on"}


@pytest.fixture
def grown():
    grown = GrownCommunity(minimum_size=2)
    ChannelAccountFactory(enterprise=grown.enterprise)
    return grown


@pytest.fixture
def operator(client, grown):
    client.force_login(grown.actor)
    return client


def drafted(grown):
    return draft_split(grown.community, axes=[grown.region], actor=grown.actor)


def press(client, plan, button, **values):
    url = reverse(f"admin:communities_splitplan_{button}", args=[plan.pk])
    return client.post(url, CONFIRMED | values, follow=True)


def filled_in(plan, **changes):
    """The table of branches as the page would post it; ``changes``: code -> fields."""
    branches = list(plan.branches.order_by("-member_count", "pk"))
    form = {"branches-TOTAL_FORMS": len(branches), "branches-INITIAL_FORMS": len(branches)}
    for number, branch in enumerate(branches):
        row = {
            "id": branch.pk,
            "plan": plan.pk,
            "name": branch.name,
            "override_reason": branch.override_reason,
            **({"is_chosen": "on"} if branch.is_chosen else {}),
            **changes.get(branch.values.get().code, {}),
        }
        form |= {f"branches-{number}-{name}": value for name, value in row.items() if value}
    return form


# --- from the community to the draft ---


def test_the_button_of_a_community_leads_to_the_preview(operator, grown):
    url = reverse("admin:communities_community_split", args=[grown.community.pk])

    answer = operator.post(url, CONFIRMED | {"axes": [grown.region.pk, grown.breed.pk]})

    assert answer.url.startswith(reverse(ADD))
    page = operator.get(answer.url)
    assert page.context["adminform"].form.initial["community"] == str(grown.community.pk)
    assert not SplitPlan.objects.exists()


def test_with_a_plan_under_way_the_button_leads_to_it(operator, grown):
    plan = drafted(grown)
    url = reverse("admin:communities_community_split", args=[grown.community.pk])

    answer = operator.post(url, CONFIRMED | {"axes": [grown.region.pk]})

    assert answer.url == reverse(CHANGE, args=[plan.pk])


def test_what_is_chosen_is_counted_before_it_is_saved(operator, grown):
    grown.grow(3, "east")
    grown.grow(1, "north")
    chosen = {"community": grown.community.pk, "axes": [grown.region.pk], "level": 1}

    content = operator.post(reverse(ADD) + "?fragment=preview", chosen).content.decode()

    assert "现有 4 人" in content
    assert "人数不足" in content
    assert not SplitPlan.objects.exists()


def test_a_preview_of_nothing_or_of_somebody_elses_asks_to_choose(operator, grown):
    foreign = GrownCommunity()
    foreign.grow(3, "east")
    for chosen in ({}, {"community": foreign.community.pk, "axes": [foreign.region.pk]}):
        answer = operator.post(reverse(ADD) + "?fragment=preview", chosen | {"level": 1})
        assert answer.status_code == 200
        assert "选好社群和维度后" in answer.content.decode()


def test_a_preview_of_too_many_branches_says_so(operator, grown):
    chosen = {"community": grown.community.pk, "axes": [], "level": 1}
    many = [grown.axis(f"axis-{number}").pk for number in range(4)]

    content = operator.post(
        reverse(ADD) + "?fragment=preview", chosen | {"axes": many}
    ).content.decode()

    assert "请选 1 到 3 个维度" in content


def test_saving_drafts_the_plan(operator, grown):
    grown.grow(2, "east")
    values = {"community": grown.community.pk, "axes": [grown.region.pk], "level": 1}

    operator.post(reverse(ADD), values | {"minimum_size": ""})

    plan = SplitPlan.objects.get()
    assert (plan.minimum_size, plan.created_by) == (2, grown.actor)
    assert branch_of(plan, "east").member_count == 2


def test_a_second_plan_is_refused_on_the_page(operator, grown):
    drafted(grown)
    values = {"community": grown.community.pk, "axes": [grown.region.pk], "level": 1}

    page = operator.post(reverse(ADD), values)

    assert "已有一个未结束的拆群计划" in page.content.decode()
    assert SplitPlan.objects.count() == 1


# --- the draft ---


def test_the_table_names_chooses_and_skips_branches(operator, grown):
    grown.grow(2, "east")
    grown.grow(1, "north")
    plan = drafted(grown)

    operator.post(
        reverse(CHANGE, args=[plan.pk]),
        filled_in(
            plan,
            east={"name": "华东猫友", "is_chosen": ""},
            north={"is_chosen": "on", "override_reason": "试点"},
        ),
    )

    east, north = branch_of(plan, "east"), branch_of(plan, "north")
    assert (east.name, east.is_chosen) == ("华东猫友", False)
    assert (north.is_chosen, north.override_reason) == (True, "试点")


def test_a_small_branch_without_a_reason_is_refused_on_the_page_and_nothing_is_saved(
    operator, grown
):
    grown.grow(2, "east")
    grown.grow(1, "north")
    plan = drafted(grown)

    page = operator.post(
        reverse(CHANGE, args=[plan.pk]),
        filled_in(plan, east={"name": "华东猫友"}, north={"is_chosen": "on"}),
    )

    assert "不到最小规模 2 人" in page.content.decode()
    assert branch_of(plan, "east").name == "全国猫友·east"


def test_a_plan_that_runs_shows_its_progress_and_no_form(operator, grown):
    grown.grow(2, "east")
    plan = drafted(grown)
    start_split(plan.pk, actor=grown.actor)

    content = operator.get(reverse(CHANGE, args=[plan.pk])).content.decode()

    assert "待邀请 2" in content
    assert 'name="_save"' not in content


# --- the buttons ---


def test_the_buttons_take_a_plan_its_whole_way(operator, grown):
    grown.grow(2, "east")
    plan = drafted(grown)
    press(operator, plan, "refresh")
    press(operator, plan, "start")
    assert Community.objects.filter(parent=grown.community).count() == 1

    press(operator, plan, "invite", branches=[branch_of(plan, "east").pk])
    assert Broadcast.objects.get().status == "draft"
    assert set(SplitInvitation.objects.values_list("status", flat=True)) == {"invited"}

    someone = SplitInvitation.objects.first()
    operator.post(reverse("admin:members_splitinvitation_decline", args=[someone.pk]), CONFIRMED)
    someone.refresh_from_db()
    assert someone.status == "declined"

    press(operator, plan, "complete")
    plan.refresh_from_db()
    assert plan.status == "completed"


def test_a_branch_of_another_plan_cannot_be_invited_from_here(operator, grown):
    grown.grow(2, "east")
    plan = drafted(grown)
    start_split(plan.pk, actor=grown.actor)
    foreign = GrownCommunity(minimum_size=1)
    foreign.grow(1, "east")
    theirs = draft_split(foreign.community, axes=[foreign.region], actor=foreign.actor)
    start_split(theirs.pk, actor=foreign.actor)

    press(operator, plan, "invite", branches=[branch_of(theirs, "east").pk])

    assert set(SplitInvitation.objects.values_list("status", flat=True)) == {"planned"}


def test_only_the_buttons_that_fit_are_shown(operator, grown):
    plan = drafted(grown)

    def buttons():
        page = operator.get(reverse(CHANGE, args=[plan.pk])).content.decode()
        names = ("start", "invite", "refresh", "complete", "cancel")
        return {name for name in names if f"/{plan.pk}/{name}" in page}

    assert buttons() == {"start", "refresh", "cancel"}
    SplitPlan.objects.update(status="running")
    assert buttons() == {"invite", "complete", "cancel"}
    SplitPlan.objects.update(status="completed")
    assert buttons() == set()


def test_who_only_looks_gets_no_form(client, grown):
    grown.grow(2, "east")
    plan = drafted(grown)
    client.force_login(UserFactory(enterprise=grown.enterprise, role=Role.ANALYST))

    page = client.get(reverse(CHANGE, args=[plan.pk])).content.decode()
    assert 'name="_save"' not in page
    assert client.get(reverse(ADD)).status_code == 403
    assert press(client, plan, "start").status_code == 403


def test_the_list_takes_as_many_queries_for_many_plans_as_for_one(operator, grown):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            operator.get(reverse("admin:communities_splitplan_changelist"))
        return len(captured)

    grown.grow(2, "east")
    plan = drafted(grown)
    start_split(plan.pk, actor=grown.actor)
    queries()
    for_one = queries()
    SplitPlan.objects.update(status="completed")
    drafted(grown)
    assert queries() == for_one
