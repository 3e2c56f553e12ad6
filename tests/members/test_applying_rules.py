from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.db import connections
from django.utils import timezone

from communities.models import ClassificationRule
from communities.services.classification_rules import (
    edit_classification_rule,
    remove_classification_rule,
    set_classification_rule,
)
from communities.services.classifying import edit_axis
from members import tasks
from members.errors import AxisHasManyValues, GivenByRule, WeakerSource
from members.models import MemberClassification
from members.rules.standing import ClassificationSource
from members.services import applying_rules
from members.services.applying_rules import apply_classification_rule, rules_to_apply
from members.services.classifying import end_classification, grant_classification
from members.services.expiring import end_expired_classifications, values_without_their_rule
from members.signals import classifications_swept
from scrm.shared.criteria import parse_criterion
from tests.accounts.factories import UserFactory
from tests.communities.factories import (
    ClassificationAxisFactory,
    ClassificationRuleFactory,
    ClassificationValueFactory,
)
from tests.members.factories import MemberFactory, PurchaseFactory
from tests.members.standing_factories import MemberClassificationFactory

RULE = ClassificationSource.RULE


def buyer_for(rule):
    return PurchaseFactory(member__enterprise=rule.value.axis.enterprise).member


def holders(rule, source=RULE):
    rows = rule.value.classifications.in_force(timezone.now()).filter(source=source)
    return [row.member for row in rows.order_by("member")]


@pytest.fixture
def heard():
    found = []

    def hear(sender, signal, value_id, member_ids):
        found.append((value_id, member_ids))

    classifications_swept.connect(hear)
    yield found
    classifications_swept.disconnect(hear)


@pytest.mark.django_db
def test_a_rule_gives_its_value_to_those_who_meet_it_and_to_nobody_else(heard):
    rule = ClassificationRuleFactory()
    first, second = buyer_for(rule), buyer_for(rule)
    MemberFactory(enterprise=first.enterprise)
    PurchaseFactory()  # of another enterprise

    applied = apply_classification_rule(rule.pk)

    assert (applied.begun, applied.ended, applied.next_member) == (2, 0, None)
    assert holders(rule) == [first, second]
    assert heard == [(rule.value_id, [first.pk, second.pk])]
    rule.refresh_from_db()
    assert rule.applied_at is not None


@pytest.mark.django_db
def test_applying_again_changes_nothing(heard):
    rule = ClassificationRuleFactory()
    buyer_for(rule)
    apply_classification_rule(rule.pk)

    again = apply_classification_rule(rule.pk)

    assert (again.begun, again.ended) == (0, 0)
    assert MemberClassification.objects.count() == 1
    assert len(heard) == 1


@pytest.mark.django_db
def test_who_no_longer_meets_a_rule_loses_only_what_the_rule_gave(heard):
    rule = ClassificationRuleFactory()
    member = buyer_for(rule)
    apply_classification_rule(rule.pk)
    by_hand = MemberClassificationFactory(value=rule.value, member=member)
    member.purchases.all().delete()

    applied = apply_classification_rule(rule.pk)

    assert (applied.begun, applied.ended) == (0, 1)
    assert holders(rule) == []
    by_hand.refresh_from_db()
    assert by_hand.ended_at is None
    assert heard[-1] == (rule.value_id, [member.pk])


@pytest.mark.django_db
def test_it_works_span_by_span_and_goes_on_where_it_stopped(monkeypatch):
    rule = ClassificationRuleFactory()
    members = [buyer_for(rule) for _ in range(5)]
    monkeypatch.setattr(applying_rules, "SPAN", 2)

    first = apply_classification_rule(rule.pk, budget=0)
    assert (first.begun, first.next_member) == (2, members[1].pk)
    rest = apply_classification_rule(rule.pk, after=first.next_member)

    assert (rest.begun, rest.next_member) == (3, None)
    assert holders(rule) == members


@pytest.mark.django_db
@pytest.mark.parametrize("source", list(ClassificationSource))
def test_on_an_exclusive_axis_a_rule_replaces_nothing(source):
    axis = ClassificationAxisFactory(is_exclusive=True)
    rule = ClassificationRuleFactory(value__axis=axis)
    member = buyer_for(rule)
    other = ClassificationValueFactory(axis=axis)
    MemberClassificationFactory(member=member, value=other, source=source)

    apply_classification_rule(rule.pk)

    assert holders(rule) == []


@pytest.mark.django_db
def test_on_an_exclusive_axis_a_rule_fills_what_has_expired():
    axis = ClassificationAxisFactory(is_exclusive=True)
    rule = ClassificationRuleFactory(value__axis=axis)
    member = buyer_for(rule)
    past = timezone.now() - timedelta(days=1)
    MemberClassificationFactory(
        member=member,
        value=ClassificationValueFactory(axis=axis),
        granted_at=past - timedelta(days=9),
        expires_at=past,
    )

    apply_classification_rule(rule.pk)

    assert holders(rule) == [member]


@pytest.mark.django_db
def test_a_rule_that_is_off_or_gone_changes_nothing():
    rule = ClassificationRuleFactory(is_active=False)
    buyer_for(rule)

    assert apply_classification_rule(rule.pk).begun == 0
    assert apply_classification_rule(rule.pk + 1).begun == 0

    assert holders(rule) == []


@pytest.mark.django_db
def test_a_rule_is_due_when_it_changed_and_once_a_night_of_its_enterprise():
    rule = ClassificationRuleFactory()
    ClassificationRuleFactory(is_active=False)
    night = datetime(2026, 3, 9, 18, 30, tzinfo=UTC)  # half past two in Shanghai

    assert rules_to_apply(night) == [rule.pk]
    ClassificationRule.objects.update(applied_at=night - timedelta(hours=1))
    assert rules_to_apply(night - timedelta(seconds=1)) == []
    assert rules_to_apply(night) == [rule.pk]
    ClassificationRule.objects.update(applied_at=night)
    assert rules_to_apply(night + timedelta(hours=23)) == []


@pytest.mark.django_db
def test_setting_a_rule_applies_it_and_removing_it_takes_back_what_it_gave(
    django_capture_on_commit_callbacks,
):
    value = ClassificationValueFactory()
    actor = UserFactory(enterprise=value.axis.enterprise)
    member = PurchaseFactory(member__enterprise=actor.enterprise).member
    bought = parse_criterion({"metric": "purchase_count", "op": "gte", "value": 1})
    with django_capture_on_commit_callbacks() as wake_ups:
        rule = set_classification_rule(value=value, criterion=bought, actor=actor)
    assert len(wake_ups) == 1
    tasks.apply_classification_rule(rule.pk)
    assert holders(rule) == [member]

    with django_capture_on_commit_callbacks() as wake_ups:
        remove_classification_rule(rule.pk, actor=actor)
    assert len(wake_ups) == 1
    assert values_without_their_rule() == [value.pk]
    tasks.end_rule_classifications(value.pk)

    assert not MemberClassification.objects.in_force(timezone.now()).exists()
    assert values_without_their_rule() == []


@pytest.mark.django_db
def test_what_a_rule_gave_stays_while_the_rule_is_off():
    rule = ClassificationRuleFactory()
    actor = UserFactory(enterprise=rule.value.axis.enterprise)
    member = buyer_for(rule)
    apply_classification_rule(rule.pk)

    edit_classification_rule(rule.pk, is_active=False, actor=actor)
    tasks.end_rule_classifications(rule.value_id)

    assert holders(rule) == [member]


@pytest.mark.django_db
def test_people_do_not_end_what_a_rule_would_give_again():
    rule = ClassificationRuleFactory()
    actor = UserFactory(enterprise=rule.value.axis.enterprise)
    buyer_for(rule)
    apply_classification_rule(rule.pk)
    given = MemberClassification.objects.get()

    with pytest.raises(GivenByRule):
        end_classification(given.pk, actor=actor)

    edit_classification_rule(rule.pk, is_active=False, actor=actor)
    assert end_classification(given.pk, actor=actor).ended_at is not None


@pytest.mark.django_db
def test_the_sweep_closes_what_ran_out_as_of_when_it_did(heard):
    now = timezone.now()
    past = now - timedelta(hours=3)
    expired = MemberClassificationFactory(granted_at=past - timedelta(days=1), expires_at=past)
    lasting = MemberClassificationFactory(expires_at=now + timedelta(days=1))
    MemberClassificationFactory()

    assert end_expired_classifications(now) == 1
    assert end_expired_classifications(now) == 0

    expired.refresh_from_db()
    lasting.refresh_from_db()
    assert (expired.ended_at, lasting.ended_at) == (past, None)
    assert heard == [(expired.value_id, [expired.member_id])]


@pytest.mark.django_db
def test_an_axis_does_not_become_exclusive_while_a_member_has_several_values():
    axis = ClassificationAxisFactory()
    actor = UserFactory(enterprise=axis.enterprise)
    one, two = (ClassificationValueFactory(axis=axis) for _ in range(2))
    first = MemberClassificationFactory(value=one)
    second = MemberClassificationFactory(value=two, member=first.member)

    with pytest.raises(AxisHasManyValues) as refusal:
        edit_axis(axis.pk, is_exclusive=True, actor=actor)

    assert refusal.value.details == {"member_count": 1}
    axis.refresh_from_db()
    assert not axis.is_exclusive
    end_classification(second.pk, actor=actor)
    assert edit_axis(axis.pk, is_exclusive=True, actor=actor).is_exclusive


@pytest.mark.django_db(transaction=True)
def test_a_rule_and_a_colleague_at_once_leave_one_value_on_an_exclusive_axis():
    axis = ClassificationAxisFactory(is_exclusive=True)
    rule = ClassificationRuleFactory(value__axis=axis)
    members = [buyer_for(rule) for _ in range(6)]
    other = ClassificationValueFactory(axis=axis)
    start = Barrier(2)

    def apply():
        try:
            start.wait()
            apply_classification_rule(rule.pk)
        finally:
            connections.close_all()

    def classify():
        try:
            start.wait()
            for member in members:
                grant_classification(
                    member, value=other, source=ClassificationSource.OPERATOR, actor=None
                )
        except WeakerSource:  # a rule is the weakest source
            raise AssertionError from None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        for done in (pool.submit(apply), pool.submit(classify)):
            done.result()

    for member in members:
        held = member.classifications.in_force(timezone.now())
        assert [row.value for row in held] == [other]
