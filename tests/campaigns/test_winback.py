from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from campaigns.errors import (
    AlertIsHeldOut,
    BadCost,
    BadHoldoutPercent,
    BenefitMissing,
    CannotMoveWinback,
    NothingToWinBack,
    TooManyAlerts,
    WinbackPolicyExists,
)
from campaigns.models import Broadcast, ChurnAlert, WinbackAction, WinbackPolicy
from campaigns.rules.alerts import is_held_out
from campaigns.rules.status import AlertCause, AlertOutcome, AlertStatus, BroadcastStatus
from campaigns.rules.winback import MOST_AT_ONCE
from campaigns.selectors.winback import policy_of
from campaigns.services.churn_alerts import acknowledge_alert, dismiss_alert, open_churn_alerts
from campaigns.services.controlling import cancel_broadcast
from campaigns.services.settling_alerts import settle_churn_alerts, tend_churn_alerts
from campaigns.services.winback import plan_benefits, plan_message, plan_tasks
from campaigns.services.winback_ends import cancel_winback, complete_winback, follow_broadcasts
from campaigns.services.winback_policies import (
    create_winback_policy,
    edit_winback_policy,
    remove_winback_policy,
)
from members.models import ActivityCoverage, ChurnScore, MemberValue
from members.services.consenting import record_consent
from members.services.erasing import erase_member
from scrm.accounts.models import AuditEvent, OperatorTask, Staff
from scrm.accounts.services.operator_tasks import complete_task, dismiss_task
from tests.accounts.factories import StaffFactory, UserFactory
from tests.campaigns.broadcasts import colleague_of, drain, outbox, started
from tests.campaigns.factories import ChurnAlertFactory
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.factories import MemberDayFactory, MembershipFactory, StayFactory
from tests.members.standing_factories import ConsentFactory
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db

TODAY = date(2026, 3, 11)


@pytest.fixture
def community():
    return CommunityFactory(enterprise__profiling_needs_consent=False)


@pytest.fixture
def operator(community):
    staff = StaffFactory(enterprise=community.enterprise)
    return UserFactory(enterprise=community.enterprise, staff=staff)


def scored(community, *, probability=0.8, value=None, spent=0, seen_days_ago=5):
    membership = MembershipFactory(community=community)
    if value is not None or spent:
        MemberValue.objects.create(
            member=membership.member,
            enterprise=community.enterprise,
            clv_amount=value,
            spent_year_amount=spent,
            computed_on=TODAY,
        )
    return ChurnScore.objects.create(
        enterprise=community.enterprise,
        community=community,
        member=membership.member,
        probability=probability,
        band="high",
        last_active_on=TODAY - timedelta(days=seen_days_ago),
        scored_on=TODAY,
        model_version="v1",
    )


def alert_of(community, **fields):
    membership = MembershipFactory(community=community)
    return ChurnAlertFactory(community=community, member=membership.member, **fields)


def alerts_of(community, count):
    return [alert_of(community) for _ in range(count)]


def ids_of(alerts):
    return [alert.pk for alert in alerts]


# --- which alerts are raised ---


def test_the_dearest_part_is_alerted_although_not_likely_to_leave(community):
    scores = [scored(community, probability=0.2, value=1000 * n) for n in range(20)]

    open_churn_alerts(community.pk, TODAY)

    found = {alert.member_id: alert for alert in ChurnAlert.objects.all()}
    assert set(found) == {scores[19].member_id, scores[18].member_id}
    dearest = found[scores[19].member_id]
    assert (dearest.cause, dearest.value_amount) == (AlertCause.TOP_VALUE, 19_000)
    assert dearest.value_basis == "clv"


def test_what_was_spent_stands_in_for_an_unknown_future_value(community):
    scored(community, spent=7_000)

    open_churn_alerts(community.pk, TODAY)

    alert = ChurnAlert.objects.get()
    assert (alert.value_amount, alert.value_basis) == (7_000, "spent")
    assert alert.cause == AlertCause.THRESHOLD


def test_the_worthless_are_not_among_the_dearest(community):
    for _ in range(20):
        scored(community, probability=0.2)

    assert open_churn_alerts(community.pk, TODAY) == 0


def test_the_rule_of_the_community_stands_before_that_of_the_enterprise(community):
    boss = UserFactory(enterprise=community.enterprise)
    other = CommunityFactory(enterprise=community.enterprise)
    create_winback_policy(actor=boss, threshold_percent=90)
    create_winback_policy(actor=boss, community=community, threshold_percent=30, top_percent=0)
    for place in (community, other):
        scored(place, probability=0.4)

    assert open_churn_alerts(community.pk, TODAY) == 1
    assert open_churn_alerts(other.pk, TODAY) == 0


def test_those_held_out_are_drawn_as_the_rule_says(community):
    create_winback_policy(
        actor=UserFactory(enterprise=community.enterprise), community=community, holdout_percent=10
    )
    for _ in range(30):
        scored(community)

    open_churn_alerts(community.pk, TODAY)

    for alert in ChurnAlert.objects.all():
        drawn = is_held_out(alert.member_id, community.pk, TODAY, percent=10)
        assert alert.is_held_out is drawn


def test_when_adviser_and_owner_have_left_it_is_for_the_owner_of_the_members_chat(community):
    score = scored(community)
    host = StaffFactory(enterprise=community.enterprise)
    Staff.objects.filter(pk=community.owner_id).update(is_active=False)
    membership = score.member.memberships.get()
    StayFactory(membership=membership, chat=GroupChatFactory(community=community, owner=host))

    open_churn_alerts(community.pk, TODAY)

    assert ChurnAlert.objects.get().assignee == host


def test_who_may_not_be_profiled_is_not_alerted(community):
    score = scored(community)
    ConsentFactory(member=score.member, purpose="profiling", decision="denied")

    assert open_churn_alerts(community.pk, TODAY) == 0


# --- the hold-out ---


def test_nobody_sees_or_works_on_a_held_out_alert_until_it_is_decided(community, operator):
    held = alert_of(community, is_held_out=True)

    assert not ChurnAlert.objects.visible_to(operator).exists()
    with pytest.raises(AlertIsHeldOut):
        acknowledge_alert(held.pk, actor=operator)
    with pytest.raises(NothingToWinBack) as refusal:
        plan_tasks([held.pk], actor=operator)
    assert refusal.value.details == [{"alert": held.pk, "code": "alert_held_out"}]

    ChurnAlert.objects.update(outcome=AlertOutcome.LOST, status=AlertStatus.CHURNED)
    assert ChurnAlert.objects.visible_to(operator).get() == held


# --- acting ---


def test_a_task_asks_the_assignee_before_the_member_counts_as_lost(community, operator):
    helper = StaffFactory(enterprise=community.enterprise)
    alert = alert_of(community, assignee=helper)

    planned = plan_tasks([alert.pk], note="聊聊新课", actor=operator)

    task = OperatorTask.objects.get()
    assert (task.kind, task.assignee, task.object_id) == ("winback", helper, alert.pk)
    assert alert.member.nickname in task.title
    assert task.due_at.astimezone(community.enterprise.zone).date() == date(2026, 3, 29)
    alert.refresh_from_db()
    assert (alert.status, alert.assignee) == (AlertStatus.INTERVENING, helper)
    assert [action.task for action in planned.actions] == [task]
    assert AuditEvent.objects.filter(verb="plan_winback").count() == 1


def test_what_cannot_be_acted_on_keeps_nobody_else_waiting(community, operator):
    first, second, held, closed = alerts_of(community, 4)
    ChurnAlert.objects.filter(pk=held.pk).update(is_held_out=True)
    ChurnAlert.objects.filter(pk=closed.pk).update(status=AlertStatus.DISMISSED)
    plan_tasks([second.pk], actor=operator)
    stranger = ChurnAlertFactory()

    planned = plan_tasks(ids_of([first, second, held, closed, stranger]), actor=operator)

    assert [action.alert_id for action in planned.actions] == [first.pk]
    assert {one.alert_id: one.code for one in planned.refused} == {
        second.pk: "winback_planned",
        held.pk: "alert_held_out",
        closed.pk: "alert_closed",
        stranger.pk: "not_found",
    }


def test_too_many_at_once_are_refused(operator):
    with pytest.raises(TooManyAlerts):
        plan_tasks(range(MOST_AT_ONCE + 1), actor=operator)


def test_a_benefit_needs_a_name_and_a_sensible_cost(community, operator):
    alert = alert_of(community)

    with pytest.raises(BenefitMissing):
        plan_benefits([alert.pk], benefit=" ", actor=operator)
    with pytest.raises(BadCost):
        plan_benefits([alert.pk], benefit="券", cost_amount=-1, actor=operator)
    (action,) = plan_benefits([alert.pk], benefit="满减券", cost_amount=500, actor=operator).actions

    done = complete_winback(action.pk, note="已发", actor=operator)
    assert (done.status, done.cost_amount, done.note) == ("done", 500, "已发")
    with pytest.raises(CannotMoveWinback):
        cancel_winback(action.pk, actor=operator)


def test_closing_the_task_ends_the_action_and_the_other_way_round(community, operator):
    alerts = alerts_of(community, 3)
    actions = plan_tasks(ids_of(alerts), actor=operator).actions

    complete_task(actions[0].task_id, actor=operator, note="聊过了")
    dismiss_task(actions[1].task_id, reason="不用", actor=operator)
    complete_winback(actions[2].pk, actor=operator)

    found = dict(WinbackAction.objects.values_list("pk", "status"))
    assert [found[action.pk] for action in actions] == ["done", "cancelled", "done"]
    assert not OperatorTask.objects.open().exists()


def test_an_alert_that_closes_calls_off_what_is_planned(community, operator):
    alert = alert_of(community)
    plan_tasks([alert.pk], actor=operator)

    dismiss_alert(alert.pk, reason="已在线下联系", actor=operator)

    action = WinbackAction.objects.get()
    assert (action.status, action.reason) == ("cancelled", "alert_closed")
    assert not OperatorTask.objects.open().exists()


# --- messages ---


@pytest.fixture
def account(community):
    return ChannelAccountFactory(enterprise=community.enterprise)


def messaged(alerts, operator, **fields):
    values = {"name": "好久不见", "body": "{{昵称}}，回来看看", "actor": operator} | fields
    return plan_message(ids_of(alerts), **values)


def sent(broadcast, operator):
    Broadcast.objects.filter(pk=broadcast.pk).update(
        approved_by=colleague_of(operator),
        status=BroadcastStatus.SCHEDULED,
        scheduled_at=timezone.now() - timedelta(seconds=1),
    )
    started(broadcast)
    drain()


def test_a_message_is_one_draft_for_exactly_these_members(community, operator, account):
    alerts = alerts_of(community, 2)
    alert_of(community)

    planned = messaged(alerts, operator, benefit="券", cost_amount=300)

    draft = planned.broadcast
    assert (draft.status, draft.author, draft.cost_amount) == ("draft", operator, 600)
    assert list(draft.communities.all()) == [community]
    assert draft.channel_account == account
    assert draft.criterion == {"metric": "winback_of", "op": "is", "value": str(draft.pk)}
    assert {action.broadcast_id for action in planned.actions} == {draft.pk}


def test_the_message_goes_through_the_guards_and_its_end_is_the_actions(
    community, operator, account
):
    fine, refusing, closed, held = alerts_of(community, 4)
    alert_of(community)
    draft = messaged([fine, refusing, closed, held], operator).broadcast
    ConsentFactory(member=fine.member)
    ConsentFactory(member=refusing.member, decision="denied")
    dismiss_alert(closed.pk, reason="已在线下联系", actor=operator)
    ChurnAlert.objects.filter(pk=held.pk).update(is_held_out=True)

    sent(draft, operator)

    assert [text for _who, text in outbox(account)] == [f"{fine.member.nickname}，回来看看"]
    ends = WinbackAction.objects.values_list("alert", "status", "reason")
    assert {alert: (status, reason) for alert, status, reason in ends} == {
        fine.pk: ("done", ""),
        refusing.pk: ("suppressed", "consent_denied"),
        closed.pk: ("cancelled", "alert_closed"),
        held.pk: ("suppressed", "not_matching"),
    }


def test_cancelling_the_broadcast_cancels_the_actions(community, operator, account):
    draft = messaged(alerts_of(community, 1), operator).broadcast

    cancel_broadcast(draft.pk, actor=operator)

    action = WinbackAction.objects.get()
    assert (action.status, action.reason) == ("cancelled", "broadcast_cancelled")


def test_the_sweep_follows_what_was_missed(community, operator, account):
    draft = messaged(alerts_of(community, 1), operator).broadcast
    Broadcast.objects.filter(pk=draft.pk).update(status=BroadcastStatus.CANCELLED)

    assert (follow_broadcasts(), follow_broadcasts()) == (1, 0)


def test_a_message_can_be_taken_back_until_it_runs_but_never_marked_as_done(
    community, operator, account
):
    first, second = messaged(alerts_of(community, 2), operator).actions

    with pytest.raises(CannotMoveWinback):
        complete_winback(first.pk, actor=operator)
    assert cancel_winback(first.pk, actor=operator).status == "cancelled"
    sent(Broadcast.objects.get(), operator)
    with pytest.raises(CannotMoveWinback):
        cancel_winback(second.pk, actor=operator)


# --- how they end ---


def test_a_dismissed_alert_is_judged_like_any_other(community, operator):
    ActivityCoverage.objects.create(
        community=community,
        source="chat",
        covered_from=datetime(2026, 1, 1, tzinfo=UTC),
        covered_to=datetime(2026, 12, 31, tzinfo=UTC),
    )
    back, gone = alerts_of(community, 2)
    for alert in (back, gone):
        dismiss_alert(alert.pk, reason="看错了", actor=operator)
    MemberDayFactory(community=community, member=back.member, day=date(2026, 3, 14))

    settle_churn_alerts(community.pk, date(2026, 3, 29))

    ends = {alert.pk: (alert.status, alert.outcome) for alert in ChurnAlert.objects.all()}
    assert ends == {back.pk: ("dismissed", "saved"), gone.pk: ("dismissed", "lost")}


def test_who_withdraws_consent_is_not_watched_any_more(community, operator):
    alert = alert_of(community)
    plan_tasks([alert.pk], actor=operator)
    said = {"purpose": "profiling", "text_version": "1", "source": "form"}
    record_consent(alert.member, decision="denied", **said)

    alert.refresh_from_db()
    assert (alert.status, alert.outcome) == (AlertStatus.DISMISSED, AlertOutcome.UNWATCHED)
    assert "授权" in alert.note
    assert WinbackAction.objects.get().status == "cancelled"


def test_when_consent_becomes_needed_the_sweep_closes_the_alerts_of_others(community):
    with_consent, _without = alerts_of(community, 2)
    ConsentFactory(member=with_consent.member, purpose="profiling")
    enterprise = community.enterprise
    enterprise.profiling_needs_consent = True
    enterprise.save(update_fields=["profiling_needs_consent"])

    tend_churn_alerts(datetime(2026, 3, 12, tzinfo=UTC))

    assert ChurnAlert.objects.open().get() == with_consent


def test_who_is_erased_leaves_no_name_behind(community, operator):
    alert = alert_of(community)
    (action,) = plan_tasks([alert.pk], note="她喜欢猫", actor=operator).actions
    name = alert.member.nickname

    erase_member(alert.member_id, reason="来信要求", actor=operator)

    alert.refresh_from_db()
    action.refresh_from_db()
    task = OperatorTask.objects.get(pk=action.task_id)
    assert (alert.outcome, action.note, task.details) == ("unwatched", "", {})
    assert name not in task.title


# --- the rules ---


def test_a_policy_keeps_within_reason_and_there_is_one_per_scope(community):
    boss = UserFactory(enterprise=community.enterprise)

    with pytest.raises(BadHoldoutPercent):
        create_winback_policy(actor=boss, holdout_percent=50)
    policy = create_winback_policy(actor=boss, community=community)
    with pytest.raises(WinbackPolicyExists):
        create_winback_policy(actor=boss, community=community)
    edit_winback_policy(policy.pk, actor=boss, cooldown_days=60)
    assert policy_of(community.enterprise_id, community.pk).cooldown_days == 60

    remove_winback_policy(policy.pk, actor=boss)
    assert not WinbackPolicy.objects.exists()
    assert policy_of(community.enterprise_id, community.pk).cooldown_days == 28
    verbs = AuditEvent.objects.filter(object_type="campaigns.winbackpolicy").order_by("pk")
    assert list(verbs.values_list("verb", flat=True)) == [
        "create_winback_policy",
        "edit_winback_policy",
        "remove_winback_policy",
    ]
