import json
import re
from pathlib import Path

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from campaigns.experiment_words import design_in_words
from campaigns.models import Broadcast, Experiment
from campaigns.rules.experiments import ExperimentStatus
from campaigns.selectors.arms import experiment_facts
from scrm.accounts.models import AuditEvent
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import BroadcastFactory
from tests.campaigns.experiments import HOURS, experiment_on
from tests.isolation_cases.experiments import RESULT

pytestmark = pytest.mark.django_db

ARMS = [{"name": "原文"}, {"name": "短文案", "weight": 2, "body": "来看看"}]
CONFIRMED = {"_form_submitted": "on"}


@pytest.fixture
def user():
    return UserFactory()


@pytest.fixture
def browser(client, user):
    client.force_login(user)
    return client


@pytest.fixture
def broadcast(user):
    return BroadcastFactory(author=user)


def post(browser, path, body, method="post"):
    call = getattr(browser, method)
    return call(f"/api/v1/{path}", json.dumps(body), content_type="application/json")


def test_an_experiment_is_written_read_and_removed(browser, broadcast):
    body = {"broadcast": broadcast.pk, "kind": "text", "unit": "member", "metric": "ordered"}
    made = post(browser, "experiments/", {**body, "arms": ARMS})
    assert made.status_code == 201, made.content
    experiment = made.json()

    assert [arm["number"] for arm in experiment["arms"]] == [1, 2]
    assert (experiment["window_hours"], experiment["planned_days"]) == (72, 7)
    assert experiment["words"] == ["还没开始：群发第一次发出时开始。"]
    own = f"experiments/{experiment['id']}/"
    changed = post(browser, own, {"holdout_percent": 10}, method="patch").json()
    assert changed["holdout_percent"] == 10
    assert len(changed["arms"]) == 2
    assert browser.delete(f"/api/v1/{own}").status_code == 204
    assert list(AuditEvent.objects.order_by("pk").values_list("verb", flat=True)) == [
        "create_experiment",
        "edit_experiment",
        "remove_experiment",
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"arms": ARMS[:1]}, "arms"),
        ({"unit": "chat"}, "unit"),
        ({"planned_days": 8}, "planned_days"),
        ({"window_hours": 9000}, "window_hours"),
        ({"arms": [{"name": "甲"}, {"name": "乙", "body": "{{没有}}"}]}, "body"),
    ],
)
def test_what_could_not_tell_is_refused_with_its_field(browser, broadcast, change, field):
    body = {"broadcast": broadcast.pk, "kind": "text", "unit": "member", "metric": "ordered"}
    answer = post(browser, "experiments/", {**body, "arms": ARMS, **change})

    assert answer.status_code == 400
    assert field in answer.content.decode()
    assert not Experiment.objects.exists()


def test_an_arm_without_a_name_is_refused_in_a_partial_change_too(browser, broadcast):
    experiment = experiment_on(broadcast)
    answer = post(
        browser, f"experiments/{experiment.pk}/", {"arms": [{"weight": 2}, ARMS[1]]}, method="patch"
    )

    assert answer.status_code == 400


def test_how_many_it_takes_can_be_asked(browser):
    shares, amounts = {"baseline": 0.2, "effect": 0.05}, {"deviation": 10, "effect": 1}

    assert post(browser, "experiments/sample-size/", shares).json() == {"per_arm": 1030}
    assert post(browser, "experiments/sample-size/", amounts).json() == {"per_arm": 1570}
    assert post(browser, "experiments/sample-size/", {"effect": 0.1}).status_code == 400


def form(broadcast, **values):
    return {
        "broadcast": broadcast.pk,
        "kind": "send_time",
        "unit": "member",
        "metric": "interacted",
        "window_hours": 24,
        "holdout_percent": 5,
        "planned_days": 7,
        "arm_1_name": "早八点",
        "arm_1_local_time": "08:00",
        "arm_2_name": "晚八点",
        "arm_2_local_time": "20:00",
        **values,
    }


def test_an_operator_writes_an_experiment_on_one_page(browser, broadcast):
    done = browser.post(reverse("admin:campaigns_experiment_add"), form(broadcast))
    assert done.status_code == 302, done.content.decode()[-3000:]
    experiment = Experiment.objects.get()
    change = reverse("admin:campaigns_experiment_change", args=[experiment.pk])

    assert [arm.local_time.hour for arm in experiment.arms.order_by("number")] == [8, 20]
    page = browser.get(change).content.decode()
    assert "还没开始" in page
    assert "早八点" in page
    changed = browser.post(change, form(broadcast, arm_2_name="晚上八点"))
    assert changed.status_code == 302
    assert experiment.arms.get(number=2).name == "晚上八点"
    refused = browser.post(change, form(broadcast, arm_2_local_time="08:00"))
    assert "各不相同" in refused.content.decode()


def test_the_page_says_the_verdict_first_and_offers_to_apply_it(browser, broadcast):
    experiment = experiment_on(broadcast, arms=HOURS, kind="send_time")
    arm = {"people": 2000, "units": 2000, "reached": 1990, "left": 3}
    compared = {
        "arm": 2,
        "against": 1,
        "method": "two_proportions",
        "estimate": 0.03,
        "low": 0.010231,
        "high": 0.049806,
        "p": 0.002942,
        "p_adjusted": 0.002942,
        "probability": 0.998531,
    }
    result = RESULT | {
        "arms": [
            {**arm, "number": 1, "value": 0.1, "successes": 200},
            {**arm, "number": 2, "value": 0.13, "successes": 260},
        ],
        "comparisons": [compared],
    }
    Experiment.objects.update(status=ExperimentStatus.ENDED, result=result)
    Broadcast.objects.update(status="completed")
    page = browser.get(reverse("admin:campaigns_experiment_change", args=[experiment.pk]))
    text = page.content.decode()

    assert "可以下结论：「晚八点」的下单率更高。" in text
    assert (
        "「晚八点」的下单率是 13.0%（260/2000），「早八点」是 10.0%（200/2000）：高 3.0 个百分点，"
        "95% 区间是差 +1.0 到 +5.0 个百分点；如果其实没有差别，碰巧差这么多的可能是 0.29%。"
        "「晚八点」比「早八点」好的可能性是 99.9%。"
    ) in text
    done = browser.post(
        reverse("admin:campaigns_experiment_apply", args=[experiment.pk]),
        {**CONFIRMED, "arm": 2, "reason": ""},
    )
    assert "只发一次" in " ".join(str(each) for each in get_messages(done.wsgi_request))
    experiment.refresh_from_db()
    assert (experiment.status, experiment.winner) == (ExperimentStatus.APPLIED, 2)


def test_the_list_takes_as_many_queries_for_three_rows_as_for_one(
    user, browser, django_assert_max_num_queries
):
    for _ in range(3):
        experiment_on(BroadcastFactory(author=user))
    with django_assert_max_num_queries(12):
        assert browser.get(reverse("admin:campaigns_experiment_changelist")).status_code == 200
    with django_assert_max_num_queries(8):
        assert browser.get("/api/v1/experiments/").status_code == 200


def test_nobody_who_only_serves_pages_loads_scipy():
    """Whoever judges loads it then; nothing loads it while it is loaded itself."""
    loading = re.compile(
        r"^(?:from|import) (?:numpy|scipy|campaigns\.rules\.(?:distributions|comparing|verdicts))",
        re.MULTILINE,
    )
    sources = (path for path in Path("campaigns").rglob("*.py"))
    found = {path.name for path in sources if loading.search(path.read_text())}

    assert found == {"distributions.py", "comparing.py", "verdicts.py", "simulation.py"}


def test_the_page_of_a_broadcast_offers_an_experiment_and_shows_its_arms(browser, broadcast):
    page = reverse("admin:campaigns_broadcast_change", args=[broadcast.pk])
    add = reverse("admin:campaigns_experiment_add")
    assert f"{add}?broadcast={broadcast.pk}" in browser.get(page).content.decode()
    assert browser.get(f"{add}?broadcast={broadcast.pk}").status_code == 200

    experiment_on(broadcast, holdout_percent=5)
    text = browser.get(page).content.decode()
    assert "来看看，{{昵称}}" in text
    assert "不发送的对照组 5%" in text


def test_an_approver_reads_what_is_compared(broadcast):
    experiment_on(broadcast, kind="send_time", arms=HOURS, holdout_percent=5)
    words = design_in_words(experiment_facts(broadcast))

    assert words.splitlines() == [
        "比较发送时间，分组单位：成员",
        "第 1 组（份额 1）：08:00:00",
        "第 2 组（份额 1）：20:00:00",
        "不发送的对照组 5%",
        "计划 7 天",
    ]
    assert design_in_words(None) == "没有实验"
