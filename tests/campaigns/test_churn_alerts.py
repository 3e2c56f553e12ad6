from datetime import UTC, date, datetime, timedelta

import pytest

from campaigns.errors import CannotMoveAlert, ReasonMissing
from campaigns.models import ChurnAlert
from campaigns.rules.alerts import COOLDOWN_DAYS, RECENT_DAYS, VALUE_DAYS
from campaigns.rules.status import AlertStatus
from campaigns.services.churn_alerts import (
    acknowledge_alert,
    dismiss_alert,
    open_churn_alerts,
    start_intervening,
)
from campaigns.services.settling_alerts import settle_churn_alerts, tend_churn_alerts
from members.models import ActivityCoverage, ChurnScore, PurchaseDay
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import DataScope
from scrm.accounts.services.staff import deactivate_staff
from tests.accounts.factories import StaffFactory, UserFactory
from tests.campaigns.factories import ChurnAlertFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import MemberDayFactory, MemberFactory, MembershipFactory
from tests.members.standing_factories import ConsentFactory

pytestmark = pytest.mark.django_db

TODAY = date(2026, 3, 11)


def instant(day, hour=12):
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def bought(member, days_ago, amount, currency="CNY"):
    PurchaseDay.objects.create(
        enterprise=member.enterprise,
        member=member,
        day=TODAY - timedelta(days=days_ago),
        currency=currency,
        order_count=1,
        net_amount=amount,
    )


def score(membership, *, probability=0.8, last_active_on=TODAY - timedelta(days=5), on=TODAY):
    ConsentFactory(member=membership.member, purpose="profiling")
    return ChurnScore.objects.create(
        enterprise=membership.enterprise,
        community=membership.community,
        member=membership.member,
        probability=probability,
        band="high",
        reasons=[{"code": "silence", "days": 5, "usual_gap": 1.5}],
        last_active_on=last_active_on,
        scored_on=on,
        model_version="v1",
    )


# --- opening ---


def test_opening_raises_an_alert_with_everything_the_score_knew():
    membership = MembershipFactory()
    score(membership, probability=0.5)

    assert open_churn_alerts(membership.community_id, TODAY) == 1

    alert = ChurnAlert.objects.get()
    assert (alert.enterprise, alert.community, alert.member) == (
        membership.enterprise,
        membership.community,
        membership.member,
    )
    assert alert.status == AlertStatus.OPEN
    assert alert.probability == 0.5
    assert alert.reasons == [{"code": "silence", "days": 5, "usual_gap": 1.5}]
    assert alert.last_active_on == TODAY - timedelta(days=5)
    assert (alert.opened_on, alert.model_version) == (TODAY, "v1")


@pytest.mark.parametrize(
    "facts",
    [
        {"probability": 0.499},
        {"last_active_on": TODAY - timedelta(days=RECENT_DAYS)},
        {"last_active_on": None},
        {"on": TODAY - timedelta(days=1)},
    ],
    ids=["unlikely", "seen too long ago", "never seen", "a score of another day"],
)
def test_opening_passes_over(facts):
    membership = MembershipFactory()
    score(membership, **facts)

    assert open_churn_alerts(membership.community_id, TODAY) == 0


def test_opening_passes_over_who_has_left():
    membership = MembershipFactory(gone=True)
    score(membership)

    assert open_churn_alerts(membership.community_id, TODAY) == 0


def test_opening_touches_one_community_only():
    mine, other = MembershipFactory(), MembershipFactory()
    score(mine)
    score(other)

    open_churn_alerts(mine.community_id, TODAY)

    assert ChurnAlert.objects.get().community == mine.community


def test_opening_twice_raises_one_alert():
    membership = MembershipFactory()
    score(membership)

    assert open_churn_alerts(membership.community_id, TODAY) == 1
    assert open_churn_alerts(membership.community_id, TODAY) == 0


@pytest.mark.parametrize("status", [AlertStatus.ACKNOWLEDGED, AlertStatus.INTERVENING])
def test_opening_leaves_an_alert_alone_that_somebody_works_on(status):
    membership = MembershipFactory()
    score(membership)
    ChurnAlertFactory(community=membership.community, member=membership.member, status=status)

    assert open_churn_alerts(membership.community_id, TODAY) == 0


@pytest.mark.parametrize(("days", "raised"), [(COOLDOWN_DAYS - 1, 0), (COOLDOWN_DAYS + 1, 1)])
def test_opening_leaves_a_member_in_peace_after_an_alert_was_closed(days, raised):
    membership = MembershipFactory()
    score(membership)
    ChurnAlertFactory(
        community=membership.community,
        member=membership.member,
        status=AlertStatus.DISMISSED,
        closed_at=instant(TODAY - timedelta(days=days)),
    )

    assert open_churn_alerts(membership.community_id, TODAY) == raised


def test_the_adviser_is_assigned_before_the_owner():
    community = CommunityFactory()
    adviser = StaffFactory(enterprise=community.enterprise)
    community.adviser = adviser
    community.save()
    score(MembershipFactory(community=community))

    open_churn_alerts(community.pk, TODAY)

    assert ChurnAlert.objects.get().assignee == adviser


def test_the_owner_is_assigned_when_the_adviser_has_left():
    community = CommunityFactory()
    community.adviser = StaffFactory(enterprise=community.enterprise, is_active=False)
    community.save()
    score(MembershipFactory(community=community))

    open_churn_alerts(community.pk, TODAY)

    assert ChurnAlert.objects.get().assignee == community.owner


def test_the_value_is_what_a_year_brought_after_refunds():
    membership = MembershipFactory()
    member = membership.member
    for days_ago, amount, currency in (
        (3, 25_000, "CNY"),
        (40, 7_000, "CNY"),
        (4, 999, "USD"),
        (VALUE_DAYS, 999, "CNY"),
    ):
        bought(member, days_ago, amount, currency)
    bought(MemberFactory(enterprise=member.enterprise), 3, 999)
    score(membership)

    open_churn_alerts(membership.community_id, TODAY)

    assert ChurnAlert.objects.get().value_amount == 32_000


# --- settling ---


@pytest.fixture
def watched():
    """An alert about a member of a community that is measured without a gap."""
    membership = MembershipFactory(joined_at=instant(date(2026, 1, 1)))
    ActivityCoverage.objects.create(
        community=membership.community,
        source="chat",
        covered_from=instant(date(2026, 1, 1)),
        covered_to=instant(date(2027, 1, 1)),
    )
    ConsentFactory(member=membership.member, purpose="profiling")
    alert = ChurnAlertFactory(community=membership.community, member=membership.member)
    return alert, membership


def settled(alert, on):
    result = settle_churn_alerts(alert.community_id, on)
    alert.refresh_from_db()
    return result


def test_settling_leaves_an_undecided_alert_open(watched):
    alert, _membership = watched

    settled(alert, date(2026, 3, 28))

    assert (alert.status, alert.closed_at) == (AlertStatus.OPEN, None)


def test_settling_records_a_recovery_when_the_member_is_seen_again(watched):
    alert, membership = watched
    MemberDayFactory(
        community=membership.community, member=membership.member, day=date(2026, 3, 14)
    )

    result = settled(alert, date(2026, 3, 14))

    assert alert.status == AlertStatus.RECOVERED
    assert alert.closed_at is not None
    assert (result.recovered, result.churned, result.expired) == (1, 0, 0)


@pytest.mark.parametrize("day", [date(2026, 3, 1), date(2026, 3, 11)])
def test_a_sign_of_life_up_to_the_day_of_the_alert_is_no_recovery(watched, day):
    alert, membership = watched
    MemberDayFactory(community=membership.community, member=membership.member, day=day)

    settled(alert, date(2026, 3, 20))

    assert alert.status == AlertStatus.OPEN


def test_a_sign_of_life_elsewhere_is_no_recovery(watched):
    alert, membership = watched
    MemberDayFactory(member=membership.member, day=date(2026, 3, 14))
    MemberDayFactory(community=membership.community, day=date(2026, 3, 14))

    settled(alert, date(2026, 3, 20))

    assert alert.status == AlertStatus.OPEN


def test_settling_records_a_loss_after_28_silent_days(watched):
    alert, _membership = watched

    result = settled(alert, date(2026, 3, 29))

    assert alert.status == AlertStatus.CHURNED
    assert result.churned == 1


def test_settling_records_a_loss_when_the_member_leaves(watched):
    alert, membership = watched
    membership.left_at = instant(date(2026, 3, 13))
    membership.leave_reason = "self"
    membership.save()

    settled(alert, date(2026, 3, 13))

    assert alert.status == AlertStatus.CHURNED


def test_who_left_and_came_back_has_not_left(watched):
    alert, membership = watched
    membership.left_at = instant(date(2026, 3, 13))
    membership.leave_reason = "self"
    membership.save()
    MembershipFactory(community=membership.community, member=membership.member)

    settled(alert, date(2026, 3, 20))

    assert alert.status == AlertStatus.OPEN


def test_silence_counts_only_while_somebody_listened(watched):
    alert, _membership = watched
    ActivityCoverage.objects.update(covered_to=instant(date(2026, 3, 12)))

    settled(alert, date(2026, 3, 29))
    first = alert.status
    settled(alert, date(2026, 4, 26))

    assert (first, alert.status) == (AlertStatus.OPEN, AlertStatus.EXPIRED)


def test_settling_twice_changes_nothing(watched):
    alert, _membership = watched
    settled(alert, date(2026, 3, 29))
    closed_at = alert.closed_at

    result = settled(alert, date(2026, 3, 30))

    assert (result.churned, alert.closed_at) == (0, closed_at)


def test_settling_leaves_a_dismissed_alert_dismissed(watched):
    alert, _membership = watched
    dismiss_alert(alert.pk, reason="出国了", actor=UserFactory(enterprise=alert.enterprise))

    settled(alert, date(2026, 3, 29))

    assert alert.status == AlertStatus.DISMISSED


def test_the_sweep_settles_and_raises_what_the_fast_path_missed(watched):
    alert, _membership = watched
    fresh = MembershipFactory()
    score(fresh, last_active_on=date(2026, 3, 28), on=date(2026, 3, 29))

    tend_churn_alerts(instant(date(2026, 3, 29)))

    alert.refresh_from_db()
    assert alert.status == AlertStatus.CHURNED
    assert ChurnAlert.objects.open().get().member == fresh.member


# --- the verbs ---


def operator(alert, **fields):
    return UserFactory(enterprise=alert.enterprise, **fields)


def test_acknowledging_makes_the_alert_ones_own():
    alert = ChurnAlertFactory()
    staff = StaffFactory(enterprise=alert.enterprise)

    acknowledged = acknowledge_alert(alert.pk, actor=operator(alert, staff=staff))

    alert.refresh_from_db()
    assert acknowledged == alert
    assert (alert.status, alert.assignee) == (AlertStatus.ACKNOWLEDGED, staff)


def test_acknowledging_without_being_a_colleague_leaves_the_assignee():
    assignee = StaffFactory()
    community = CommunityFactory(enterprise=assignee.enterprise)
    alert = ChurnAlertFactory(community=community, assignee=assignee)

    acknowledge_alert(alert.pk, actor=operator(alert))

    alert.refresh_from_db()
    assert alert.assignee == assignee


def test_acknowledging_twice_is_refused():
    alert = ChurnAlertFactory()
    acknowledge_alert(alert.pk, actor=operator(alert))

    with pytest.raises(CannotMoveAlert):
        acknowledge_alert(alert.pk, actor=operator(alert))


def test_intervening_follows_or_skips_the_acknowledgement():
    first, second = ChurnAlertFactory(), ChurnAlertFactory()
    acknowledge_alert(first.pk, actor=operator(first))

    assert start_intervening(first.pk, actor=operator(first)).status == AlertStatus.INTERVENING
    assert start_intervening(second.pk, actor=operator(second)).status == AlertStatus.INTERVENING


def test_dismissing_closes_with_the_reason():
    alert = ChurnAlertFactory()

    dismiss_alert(alert.pk, reason=" 已在线下联系 ", actor=operator(alert))

    alert.refresh_from_db()
    assert (alert.status, alert.note) == (AlertStatus.DISMISSED, "已在线下联系")
    assert alert.closed_at is not None


def test_dismissing_without_a_reason_is_refused():
    alert = ChurnAlertFactory()

    with pytest.raises(ReasonMissing):
        dismiss_alert(alert.pk, reason="  ", actor=operator(alert))

    alert.refresh_from_db()
    assert alert.status == AlertStatus.OPEN


@pytest.mark.parametrize("status", ["recovered", "churned", "dismissed", "expired"])
def test_a_closed_alert_cannot_be_worked_on(status):
    alert = ChurnAlertFactory(status=status)
    actor = operator(alert)

    with pytest.raises(CannotMoveAlert):
        acknowledge_alert(alert.pk, actor=actor)
    with pytest.raises(CannotMoveAlert):
        start_intervening(alert.pk, actor=actor)
    with pytest.raises(CannotMoveAlert):
        dismiss_alert(alert.pk, reason="x", actor=actor)


def test_every_verb_leaves_an_audit_row_with_before_and_after():
    alert = ChurnAlertFactory()
    actor = operator(alert)

    acknowledge_alert(alert.pk, actor=actor)
    start_intervening(alert.pk, actor=actor)
    dismiss_alert(alert.pk, reason="搬家", actor=actor)

    events = AuditEvent.objects.filter(object_type="campaigns.churnalert").order_by("pk")
    assert [
        (event.verb, event.actor, event.before["status"], event.after["status"]) for event in events
    ] == [
        ("acknowledge_alert", actor, "open", "acknowledged"),
        ("start_intervening", actor, "acknowledged", "intervening"),
        ("dismiss_alert", actor, "intervening", "dismissed"),
    ]


def test_a_stranger_finds_no_alert():
    alert = ChurnAlertFactory()

    with pytest.raises(ChurnAlert.DoesNotExist):
        acknowledge_alert(alert.pk, actor=UserFactory())


def test_an_alert_outside_ones_own_communities_is_not_found():
    alert = ChurnAlertFactory()
    staff = StaffFactory(enterprise=alert.enterprise)
    actor = operator(alert, staff=staff, data_scope=DataScope.OWN_COMMUNITIES)

    with pytest.raises(ChurnAlert.DoesNotExist):
        start_intervening(alert.pk, actor=actor)


def test_the_open_alerts_of_whoever_leaves_are_for_others():
    boss = UserFactory()
    shop = boss.enterprise
    leaver, adviser, owner, other = StaffFactory.create_batch(4, enterprise=shop)
    advised = CommunityFactory(enterprise=shop, owner=leaver, adviser=adviser)
    owned = CommunityFactory(enterprise=shop, owner=owner, adviser=leaver)
    nobodys = CommunityFactory(enterprise=shop, owner=leaver)
    alerts = [ChurnAlertFactory(community=each, assignee=leaver) for each in (advised, owned)]
    freed = ChurnAlertFactory(community=nobodys, assignee=leaver, intervening=True)
    closed = ChurnAlertFactory(community=owned, assignee=leaver, status=AlertStatus.CHURNED)
    of_other = ChurnAlertFactory(community=owned, assignee=other)

    deactivate_staff(leaver.pk, actor=boss)

    now = dict(ChurnAlert.objects.values_list("pk", "assignee"))
    assert [now[alert.pk] for alert in alerts] == [adviser.pk, owner.pk]
    assert (now[freed.pk], now[closed.pk], now[of_other.pk]) == (None, leaver.pk, other.pk)
