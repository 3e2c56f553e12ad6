import pytest
from django.urls import reverse

from campaigns.models import Broadcast, WinbackAction, WinbackPolicy
from members.models import ScoreCheck
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import StaffFactory, UserFactory
from tests.campaigns.factories import ChurnAlertFactory
from tests.campaigns.test_alert_quality import CUT, figures
from tests.communities.factories import CommunityFactory
from tests.members.factories import MembershipFactory
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db

WORKLIST = "admin:campaigns_churnalert_changelist"
QUALITY = "admin:campaigns_churnalert_quality"


@pytest.fixture
def community():
    return CommunityFactory(name="猫友会")


@pytest.fixture
def operator(community):
    staff = StaffFactory(enterprise=community.enterprise)
    return UserFactory(enterprise=community.enterprise, role=Role.OPERATOR, staff=staff)


@pytest.fixture
def admin_client(client, operator):
    client.force_login(operator)
    return client


def alert_of(community, **fields):
    member = MembershipFactory(community=community).member
    return ChurnAlertFactory(community=community, member=member, **fields)


def act(client, action, alerts, **fields):
    body = {"action": action, "_selected_action": [alert.pk for alert in alerts]}
    return client.post(reverse(WORKLIST), body | fields)


def test_the_worklist_shows_the_stake_and_hides_the_hold_out(admin_client, community):
    alert_of(community, value_amount=100_000, probability=0.5, value_basis="clv")
    held = alert_of(community, is_held_out=True)

    page = admin_client.get(reverse(WORKLIST))

    assert "¥500" in page.text
    assert held.member.nickname not in page.text
    missing = admin_client.get(reverse("admin:campaigns_churnalert_change", args=[held.pk]))
    assert missing.status_code == 302


def test_selected_alerts_are_given_to_their_colleagues_after_asking_how(admin_client, community):
    alerts = [alert_of(community), alert_of(community)]

    asked = act(admin_client, "ask_colleagues", alerts)
    assert (asked.status_code, WinbackAction.objects.count()) == (200, 0)
    assert "选中了 2 条预警" in asked.text
    act(admin_client, "ask_colleagues", alerts, asked="1", note="问问近况")

    assert OperatorTask.objects.filter(kind="winback").count() == 2
    assert set(WinbackAction.objects.values_list("note", flat=True)) == {"问问近况"}


def test_a_message_leads_to_its_draft(admin_client, community):
    ChannelAccountFactory(enterprise=community.enterprise)
    alert = alert_of(community)

    asked = act(admin_client, "send_message", [alert])
    assert "好久不见" in asked.text
    fields = {"name": "好久不见", "body": "回来看看", "benefit": "券", "cost": "3.50"}
    response = act(admin_client, "send_message", [alert], asked="1", **fields)

    draft = Broadcast.objects.get()
    assert response.url == reverse("admin:campaigns_broadcast_change", args=[draft.pk])
    assert (draft.name, draft.cost_amount) == ("好久不见", 350)
    page = admin_client.get(reverse("admin:campaigns_churnalert_change", args=[alert.pk]))
    assert "发消息 · 待执行" in page.text


def test_a_refusal_is_shown_in_the_form_with_what_was_typed(admin_client, community):
    alert = alert_of(community)
    act(admin_client, "give_benefit", [alert], asked="1", benefit="满减券")

    response = act(admin_client, "give_benefit", [alert], asked="1", benefit="代金券")

    assert "已有同样的待执行动作" in response.text
    assert "代金券" in response.text
    assert WinbackAction.objects.count() == 1


def test_a_benefit_is_marked_as_given(admin_client, community):
    alert = alert_of(community)
    act(admin_client, "give_benefit", [alert], asked="1", benefit="满减券", cost="5")
    row = WinbackAction.objects.get()

    assert "满减券" in admin_client.get(reverse("admin:campaigns_winbackaction_changelist")).text
    url = reverse("admin:campaigns_winbackaction_complete", args=[row.pk])
    admin_client.post(url, {"_form_submitted": "on", "note": "已发"})

    row.refresh_from_db()
    assert (row.status, row.note, row.cost_amount) == ("done", "已发", 500)


def test_the_rules_are_kept_by_who_manages_sending(client, community):
    client.force_login(UserFactory(enterprise=community.enterprise, role=Role.ADMINISTRATOR))
    page = reverse("admin:campaigns_winbackpolicy_add")
    values = {
        "community": community.pk,
        "threshold_percent": 60,
        "top_percent": 5,
        "holdout_percent": 50,
        "cooldown_days": 28,
    }

    assert "对照 5–10" in client.post(page, values).text
    client.post(page, values | {"holdout_percent": 8})

    assert WinbackPolicy.objects.get().holdout_percent == 8
    assert "猫友会" in client.get(reverse("admin:campaigns_winbackpolicy_changelist")).text


def test_the_quality_page_says_that_there_is_nothing_yet(admin_client):
    page = admin_client.get(reverse(QUALITY))

    assert page.status_code == 200
    assert "还没有核对过的预测" in page.text


def test_the_quality_page_shows_figures_backtests_and_few(admin_client, community):
    for is_backtest in (True, False):
        ScoreCheck.objects.create(
            enterprise=community.enterprise,
            community=community,
            cut=CUT,
            model_version="own-7",
            is_backtest=is_backtest,
            scored_count=100,
            churned_count=40,
            figures=figures(),
        )
    alert_of(community, outcome="lost", status="churned", model_version="own-7")

    page = admin_client.get(reverse(QUALITY), {"months": "24", "community": community.pk}).text

    for words in ("own-7", "回测", "80.0%", "2.00×", "样本太少", "0–50%", "20 天", "18 天"):
        assert words in page
    assert page.count("排在风险最高 20% 的比例") == 3  # on hover, in the list, over its column
    assert admin_client.get(reverse(QUALITY), {"community": "x", "months": "7"}).status_code == 200
