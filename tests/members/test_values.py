import csv
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from members.models import (
    DailyRun,
    Member,
    MemberValue,
    PastValue,
    PredictionModel,
    PurchaseDay,
    ValueCell,
)
from members.rules.predictions import ModelStatus
from members.rules.standing import ConsentDecision, ConsentPurpose
from members.rules.values import Behaviour, RfmSegment, ValueBand
from members.services import values
from members.services.consenting import record_consent
from members.services.value_models import check_on_history
from members.services.values import continue_valuing, enterprises_to_value, value_enterprise
from tests.accounts.factories import EnterpriseFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import (
    ActivityCoverageFactory,
    MemberDayFactory,
    MemberFactory,
    MembershipFactory,
)
from tests.members.standing_factories import ConsentFactory
from tests.members.value_factories import PurchaseDayFactory

ON = date(2026, 6, 1)  # a Monday
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
LOG = Path(__file__).resolve().parents[3] / "shared/data/CDNOW_sample.txt"


@pytest.fixture
def enterprise(db):
    return EnterpriseFactory(profiling_needs_consent=False)


@pytest.fixture
def community(enterprise):
    community = CommunityFactory(enterprise=enterprise)
    ActivityCoverageFactory(community=community)
    return community


def buyer(enterprise, *ago, amount=10_000, **day):
    """Somebody who bought so many days before the day."""
    member = MemberFactory(enterprise=enterprise)
    for days in ago:
        bought = {"day": ON - timedelta(days=days), "net_amount": amount, **day}
        PurchaseDayFactory(member=member, **bought)
    return member


def value_of(member):
    return MemberValue.objects.get(member=member)


def active(community, *ago, joined=LONG_AGO, **counts):
    member = MembershipFactory(community=community, joined_at=joined).member
    for days in ago:
        day = ON - timedelta(days=days)
        counted = {"message_count": 0, **counts}
        MemberDayFactory(community=community, member=member, day=day, **counted)
    return member


# --- Facts --------------------------------------------------------------------------------------


def test_what_a_member_bought_before_the_day(enterprise):
    member = buyer(enterprise, 1, 30, 400, amount=500)
    PurchaseDayFactory(member=member, day=ON, net_amount=99)
    value_enterprise(enterprise, on=ON)
    value = value_of(member)
    assert value.purchase_days == 3
    assert value.first_purchase_on == ON - timedelta(days=400)
    assert value.last_purchase_on == ON - timedelta(days=1)
    assert (value.spent_amount, value.spent_year_amount, value.repeat_amount) == (1500, 1000, 1000)


def test_what_was_refunded_in_full_and_other_currencies_do_not_count(enterprise):
    member = buyer(enterprise, 1, 2, 3)
    buyer(enterprise, 10)
    PurchaseDayFactory(member=member, day=ON - timedelta(days=9), standing_count=0, net_amount=0)
    PurchaseDayFactory(member=member, day=ON - timedelta(days=8), currency="USD")
    result = value_enterprise(enterprise, on=ON)
    assert value_of(member).purchase_days == 3
    assert result.currency == "CNY"
    notes = {note["code"]: note for note in result.model.notes}
    assert notes["several_currencies"]["currency"] == "CNY"


def test_who_only_bought_in_another_currency_is_valued_when_it_is_the_main_one(enterprise):
    member = buyer(enterprise, 1, 2, currency="USD")
    buyer(enterprise, 4, currency="CNY")
    assert value_enterprise(enterprise, on=ON).currency == "USD"
    assert value_of(member).purchase_days == 2


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"post_count": 1, "message_count": 9}, Behaviour.CREATOR),
        ({"message_count": 1}, Behaviour.TALKER),
        ({"comment_count": 1, "click_count": 3}, Behaviour.TALKER),
        ({"click_count": 1}, Behaviour.REACTOR),
        ({"other_count": 1}, Behaviour.REACTOR),
    ],
)
def test_behaviour_follows_what_was_done_in_four_weeks(community, counts, expected):
    member, earlier = active(community, 28, **counts), active(community, 29, **counts)
    value_enterprise(community.enterprise, on=ON)
    assert value_of(member).behaviour == expected
    assert value_of(earlier).behaviour == Behaviour.DORMANT
    assert value_of(earlier).active_days == 1


def test_silence_is_told_from_being_new_and_from_not_being_listened_to(community):
    silent = active(community)
    newcomer = active(community, joined=datetime(2026, 5, 20, tzinfo=UTC))
    elsewhere = MembershipFactory(
        community=CommunityFactory(enterprise=community.enterprise), joined_at=LONG_AGO
    ).member
    nowhere = MemberFactory(enterprise=community.enterprise)
    value_enterprise(community.enterprise, on=ON)
    found = {
        member: value_of(member).behaviour for member in (silent, newcomer, elsewhere, nowhere)
    }
    assert found == {
        silent: Behaviour.DORMANT,
        newcomer: Behaviour.NEWCOMER,
        elsewhere: Behaviour.UNMEASURED,
        nowhere: Behaviour.UNMEASURED,
    }


def test_deleting_the_day_and_what_follows_changes_no_value(community):
    members = [buyer(community.enterprise, *range(0, 40, 7)) for _ in range(3)]
    active(community, -1, 0, 1, 30)
    value_enterprise(community.enterprise, on=ON)
    before = list(MemberValue.objects.order_by("pk").values())
    PurchaseDay.objects.filter(day__gte=ON).delete()
    value_enterprise(community.enterprise, on=ON)
    assert list(MemberValue.objects.order_by("pk").values()) == before
    assert value_of(members[0]).purchase_days == 5


# --- Consent ------------------------------------------------------------------------------------


def test_without_consent_nobody_is_valued(db):
    enterprise = EnterpriseFactory()
    silent, refused, agreed = (buyer(enterprise, 1) for _ in range(3))
    ConsentFactory(member=agreed, purpose=ConsentPurpose.PROFILING)
    ConsentFactory(
        member=refused, purpose=ConsentPurpose.PROFILING, decision=ConsentDecision.DENIED
    )
    result = value_enterprise(enterprise, on=ON)
    assert (result.valued, result.unconsented) == (1, 2)
    assert list(MemberValue.objects.values_list("member", flat=True)) == [agreed.pk]
    assert silent.pk not in PastValue.objects.values_list("member", flat=True)
    assert result.model.row_count == 1


def test_withdrawing_forgets_the_value_at_once(db):
    enterprise = EnterpriseFactory()
    member = buyer(enterprise, 1)
    ConsentFactory(member=member, purpose=ConsentPurpose.PROFILING)
    value_enterprise(enterprise, on=ON)
    record_consent(
        member,
        purpose=ConsentPurpose.PROFILING,
        decision=ConsentDecision.WITHDRAWN,
        text_version="1",
        source="form",
    )
    assert not MemberValue.objects.exists()
    assert not PastValue.objects.exists()


def test_a_night_forgets_those_who_may_not_be_profiled_any_more(enterprise):
    buyer(enterprise, 1)
    value_enterprise(enterprise, on=ON)
    enterprise.profiling_needs_consent = True
    enterprise.save()
    assert value_enterprise(enterprise, on=ON).unconsented == 1
    assert not MemberValue.objects.exists()


# --- RFM ----------------------------------------------------------------------------------------


def scores(member):
    value = value_of(member)
    return value.recency, value.frequency, value.monetary


def test_equal_values_get_equal_scores(enterprise):
    alike = [buyer(enterprise, 5, amount=700) for _ in range(4)]
    newest = buyer(enterprise, 1, 2, 3, 4, 5, 6, amount=5_000)
    value_enterprise(enterprise, on=ON)
    assert {scores(member) for member in alike} == {(3, 1, 3)}
    assert scores(newest) == (5, 5, 5)
    assert value_of(newest).segment == RfmSegment.CHAMPIONS
    assert value_of(alike[0]).segment == RfmSegment.NEEDS_ATTENTION


def test_frequency_has_fixed_cuts(enterprise):
    members = {days: buyer(enterprise, *range(1, days + 1)) for days in range(1, 8)}
    value_enterprise(enterprise, on=ON)
    found = {days: value_of(member).frequency for days, member in members.items()}
    assert found == {1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 5, 7: 5}


def test_who_never_bought_has_no_scores_and_no_expected_amount(enterprise):
    buyer(enterprise, 1)
    value_enterprise(enterprise, on=ON)
    member = MemberFactory(enterprise=enterprise)
    value_enterprise(enterprise, on=ON)
    value = value_of(member)
    assert scores(member) == (0, 0, 0)
    assert (value.segment, value.clv_amount, value.clv_band) == ("", None, ValueBand.NONE)


def test_a_community_that_sells_nothing_is_scored_by_signs_of_life(community):
    daily = active(community, *range(1, 40), post_count=1)
    weekly = active(community, *range(1, 90, 7), message_count=2)
    once = active(community, 80, click_count=1)
    silent = active(community)
    result = value_enterprise(community.enterprise, on=ON)
    assert result.basis == "activity"
    assert result.model is None
    assert [scores(member)[1] for member in (daily, weekly, once, silent)] == [5, 4, 1, 0]
    assert value_of(daily).contribution == 39 * 4
    assert value_of(once).segment == RfmSegment.HIBERNATING


# --- What members are expected to buy -----------------------------------------------------------


def draw_buyers(enterprise, count, *, seed=5):
    """Buyers with rates and ends of their own, over two years."""
    random = np.random.default_rng(seed)
    members = Member.objects.bulk_create(
        Member(enterprise=enterprise, external_id=f"drawn-{n}") for n in range(count)
    )
    days = []
    for member in members:
        at, usual = float(random.uniform(200, 730)), float(random.gamma(6, 1_000))
        rate, drop = random.gamma(1.2, 1 / 40), random.beta(1, 3)
        own = {int(at)}
        while (at := at - random.exponential(1 / rate)) > 1 and random.random() > drop:
            own.add(int(at))
        days += [
            PurchaseDay(
                enterprise=enterprise,
                member=member,
                day=ON - timedelta(days=ago),
                currency="CNY",
                standing_count=1,
                net_amount=int(random.gamma(6, usual / 6)) + 1,
            )
            for ago in sorted(own)
        ]
    PurchaseDay.objects.bulk_create(days)
    return members


def test_an_own_model_is_fitted_checked_on_the_past_and_used(enterprise):
    draw_buyers(enterprise, 450)
    result = value_enterprise(enterprise, on=ON)
    model = result.model
    assert model.status == ModelStatus.ACTIVE
    assert model.version == "clv-all-20260601"
    assert not model.parameters["is_default"]
    assert model.row_count == 450
    holdout = model.figures["holdout"]
    assert 0.7 < holdout["days"]["ratio"] < 1.3
    assert 0.6 < holdout["amount"]["ratio"] < 1.4
    values_now = MemberValue.objects.exclude(clv_amount=None)
    assert values_now.count() == 450
    assert set(values_now.values_list("model_version", flat=True)) == {model.version}
    bands = Counter(values_now.values_list("clv_band", flat=True))
    assert bands[ValueBand.HIGH] == pytest.approx(90, abs=5)
    assert bands[ValueBand.MEDIUM] == pytest.approx(135, abs=8)


def test_few_buyers_are_valued_with_the_published_parameters_and_told_so(enterprise):
    regular = buyer(enterprise, 10, 40, 70, 100, amount=3_000)
    gone = buyer(enterprise, 300, 330, 360, 390, amount=3_000)
    model = value_enterprise(enterprise, on=ON).model
    assert model.parameters["is_default"]
    assert model.notes[0] == {"code": "too_few_buyers", "buyers": 2, "repeaters": 2}
    assert value_of(regular).clv_amount > 10 * value_of(gone).clv_amount
    assert value_of(regular).alive > 0.8 > 0.1 > value_of(gone).alive


def test_a_fit_without_sense_is_put_aside_and_the_one_before_it_stays(enterprise):
    buyer(enterprise, 3)
    former = value_enterprise(enterprise, on=ON).model
    members = Member.objects.bulk_create(
        Member(enterprise=enterprise, external_id=f"alike-{n}") for n in range(300)
    )
    PurchaseDay.objects.bulk_create(  # all alike, and nobody ever leaves
        PurchaseDay(
            enterprise=enterprise,
            member=member,
            day=ON - timedelta(days=ago + number % 7),
            currency="CNY",
            standing_count=1,
            net_amount=10_000,
        )
        for number, member in enumerate(members)
        for ago in range(1, 80, 14)
    )
    later = ON + timedelta(days=7)
    assert value_enterprise(enterprise, on=later).model == former
    rejected = PredictionModel.objects.get(status=ModelStatus.REJECTED)
    assert rejected.notes[0]["code"] in {"clv_at_bound", "clv_not_converged"}
    assert rejected.notes[1] == {"code": "kept_former", "version": former.version}


def test_a_model_serves_a_week_before_it_is_fitted_anew(enterprise):
    buyer(enterprise, 3)
    first = value_enterprise(enterprise, on=ON).model
    assert value_enterprise(enterprise, on=ON + timedelta(days=6)).model == first
    second = value_enterprise(enterprise, on=ON + timedelta(days=7)).model
    assert second != first
    first.refresh_from_db()
    assert first.status == ModelStatus.RETIRED
    assert first.retired_at is not None


def test_the_same_night_again_writes_nothing(enterprise):
    buyer(enterprise, 1, 9)
    value_enterprise(enterprise, on=ON)
    before = list(MemberValue.objects.extra(select={"x": "xmin::text"}).values_list("pk", "x"))
    value_enterprise(enterprise, on=ON)
    after = list(MemberValue.objects.extra(select={"x": "xmin::text"}).values_list("pk", "x"))
    assert after == before


# --- The matrix ---------------------------------------------------------------------------------


def test_the_matrix_is_counted_once_a_week_and_closed_after_four(community):
    stays, leaves = active(community, 3, message_count=1), active(community, 3, message_count=1)
    elsewhere = buyer(community.enterprise, 50)
    value_enterprise(community.enterprise, on=ON)
    value_enterprise(community.enterprise, on=ON + timedelta(days=1))
    cells = ValueCell.objects.filter(cut=ON)
    assert ValueCell.objects.count() == cells.count() == 3
    talkers = cells.get(community=community, behaviour=Behaviour.TALKER)
    assert (talkers.member_count, talkers.measured_count) == (2, None)

    cut_ends = ON + timedelta(days=28)
    MemberDayFactory(community=community, member=stays, day=ON + timedelta(days=27))
    MemberDayFactory(community=community, member=leaves, day=cut_ends)
    PurchaseDayFactory(member=elsewhere, day=ON + timedelta(days=1))
    value_enterprise(community.enterprise, on=cut_ends)
    talkers.refresh_from_db()
    assert (talkers.measured_count, talkers.active_count, talkers.buyer_count) == (2, 1, 0)
    bought = cells.get(community=None, behaviour=Behaviour.UNMEASURED)
    assert (bought.measured_count, bought.active_count, bought.buyer_count) == (0, 0, 1)
    assert not PastValue.objects.filter(cut=ON).exists()


def test_silence_that_nobody_listened_to_is_no_loss(enterprise):
    community = CommunityFactory(enterprise=enterprise)
    ActivityCoverageFactory(community=community, covered_to=datetime(2026, 6, 5, tzinfo=UTC))
    active(community, 3, message_count=1)
    value_enterprise(enterprise, on=ON)
    value_enterprise(enterprise, on=ON + timedelta(days=28))
    cell = ValueCell.objects.get(community=community, cut=ON)
    assert (cell.member_count, cell.measured_count, cell.active_count) == (1, 0, 0)


# --- The nightly run ----------------------------------------------------------------------------


def test_values_are_due_once_a_local_day_from_twenty_to_three(enterprise):
    early = datetime(2026, 6, 1, 2, 39, tzinfo=enterprise.zone)
    due = datetime(2026, 6, 1, 2, 40, tzinfo=enterprise.zone)
    assert enterprises_to_value(early) == []
    assert enterprises_to_value(due) == [(enterprise.pk, ON)]
    assert continue_valuing(enterprise.pk, day=ON, budget=60)
    assert enterprises_to_value(due) == []


def test_a_run_goes_on_where_it_stopped(enterprise, monkeypatch):
    monkeypatch.setattr(values, "SLICE", 2)
    members = [buyer(enterprise, 1, days) for days in range(2, 7)]
    calls = 0
    while not continue_valuing(enterprise.pk, day=ON, budget=0):
        calls += 1
    assert calls > 9
    run = DailyRun.objects.get()
    assert run.finished_at is not None
    assert run.member_count == 5
    assert run.notes["unconsented"] == 0
    assert all(value_of(member).clv_amount for member in members)
    stepwise = list(MemberValue.objects.order_by("pk").values())
    MemberValue.objects.all().delete()
    monkeypatch.setattr(values, "SLICE", 50_000)
    value_enterprise(enterprise, on=ON)
    assert list(MemberValue.objects.order_by("pk").values()) == stepwise


# --- With the log -------------------------------------------------------------------------------


def read_log():
    rows = [line.split() for line in LOG.read_text().splitlines()]
    days = Counter()
    for _, number, day, _, amount in rows:
        days[number, date.fromisoformat(day)] += round(float(amount) * 100)
    return days


def assert_published_customers(members, *, last_day):
    """Repeat purchases and weeks, customer by customer."""
    found = {value.member_id: value for value in MemberValue.objects.all()}
    assert len(found) == 2357
    with (LOG.parent / "cdnow_customers_summary.csv").open() as file:
        published = list(csv.DictReader(file))
    for member, row in zip(members.values(), published, strict=True):
        value = found[member.pk]
        first = value.first_purchase_on
        assert value.purchase_days - 1 == int(row["frequency"])
        weeks = ((value.last_purchase_on - first).days / 7, (last_day - first).days / 7)
        assert weeks == pytest.approx((float(row["recency"]), float(row["T"])), abs=0.005)


@pytest.mark.skipif(not LOG.exists(), reason="the log is not here")
def test_the_published_customers_from_their_purchases(enterprise):
    """RFM, the model and its holdout, through the same statements as every night."""
    days, cut, end = read_log(), date(1997, 10, 1), date(1998, 7, 1)
    members = {
        number: Member(enterprise=enterprise, external_id=number) for number, _ in sorted(days)
    }
    Member.objects.bulk_create(members.values())
    PurchaseDay.objects.bulk_create(  # those who paid nothing bought all the same
        PurchaseDay(
            enterprise=enterprise,
            member=members[number],
            day=day,
            currency="USD",
            standing_count=1,
            net_amount=amount,
        )
        for (number, day), amount in days.items()
    )
    result = value_enterprise(enterprise, on=cut)
    assert_published_customers(members, last_day=cut - timedelta(days=1))
    frequencies = Counter(MemberValue.objects.values_list("frequency", flat=True))
    assert frequencies == {1: 1411, 2: 439, 3: 214, 4: 162, 5: 131}
    segments = Counter(MemberValue.objects.values_list("segment", flat=True))
    assert segments == {
        "champions": 281,
        "loyal": 512,
        "new": 147,
        "needs_attention": 476,
        "at_risk": 11,
        "hibernating": 930,
    }
    fitted = result.model.parameters["btyd"]
    assert fitted["r"] == pytest.approx(0.243, abs=0.005)
    assert fitted["alpha"] == pytest.approx(4.414, abs=0.01)
    assert fitted["a"] == pytest.approx(0.793, abs=0.005)
    assert fitted["b"] == pytest.approx(2.426, abs=0.005)
    assert result.model.figures["log_likelihood"] == pytest.approx(-9582.4, abs=0.1)
    money = result.model.parameters["gamma_gamma"]
    assert money["p"] == pytest.approx(6.25, abs=0.01)
    assert money["v"] / 100 == pytest.approx(15.44, abs=0.01)

    value_enterprise(enterprise, on=end)
    holdout = check_on_history(enterprise, on=end, cut=cut, currency="USD")
    assert holdout["days"]["actual"] == 1882
    assert holdout["days"]["expected"] == pytest.approx(1653, abs=5)
    assert holdout["days"]["mae"] == pytest.approx(0.785, abs=0.005)
