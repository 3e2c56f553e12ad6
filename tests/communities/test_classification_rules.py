import pytest

from communities.errors import (
    BadValidity,
    BelongsElsewhere,
    RuleNeedsCriterion,
    RuleTaken,
)
from communities.models import ClassificationRule
from communities.rules.circles import DefinedBy, Thing, circle_through
from communities.services.classification_rules import (
    ask_to_apply_rule,
    edit_classification_rule,
    remove_classification_rule,
    set_classification_rule,
)
from communities.services.classifying import create_axis, edit_axis
from communities.signals import classification_rule_removed, classification_rule_set
from scrm.accounts.models import AuditEvent
from scrm.shared.criteria import Criterion, InvalidCriterion, parse_criterion
from tests.accounts.factories import UserFactory
from tests.communities.factories import ClassificationValueFactory

BOUGHT = parse_criterion({"metric": "purchase_count", "op": "gte", "value": 1})
BOUGHT_MORE = parse_criterion({"metric": "purchase_count", "op": "gte", "value": 3})


@pytest.fixture
def actor():
    return UserFactory()


@pytest.fixture
def value(actor):
    return ClassificationValueFactory(axis__enterprise=actor.enterprise)


@pytest.fixture
def heard():
    found = []

    def hear_set(sender, signal, rule_id):
        found.append(("set", rule_id))

    def hear_removed(sender, signal, value_id):
        found.append(("removed", value_id))

    classification_rule_set.connect(hear_set)
    classification_rule_removed.connect(hear_removed)
    yield found
    classification_rule_set.disconnect(hear_set)
    classification_rule_removed.disconnect(hear_removed)


def verbs():
    return list(AuditEvent.objects.order_by("pk").values_list("verb", flat=True))


@pytest.mark.django_db
def test_a_rule_is_set_changed_switched_off_and_removed(actor, value, heard):
    rule = set_classification_rule(value=value, criterion=BOUGHT, actor=actor)
    edit_classification_rule(rule.pk, criterion=BOUGHT_MORE, actor=actor)
    edit_classification_rule(rule.pk, is_active=False, actor=actor)
    rule.refresh_from_db()
    assert (rule.criterion, rule.is_active) == (BOUGHT_MORE.as_json(), False)

    remove_classification_rule(rule.pk, actor=actor)

    assert not ClassificationRule.objects.exists()
    assert heard == [("set", rule.pk), ("set", rule.pk), ("removed", value.pk)]
    assert verbs() == [
        "set_classification_rule",
        "edit_classification_rule",
        "edit_classification_rule",
        "remove_classification_rule",
    ]


@pytest.mark.django_db
def test_editing_to_the_same_changes_nothing(actor, value, heard):
    rule = set_classification_rule(value=value, criterion=BOUGHT, actor=actor)

    edit_classification_rule(rule.pk, criterion=BOUGHT, is_active=True, actor=actor)

    assert heard == [("set", rule.pk)]
    assert verbs() == ["set_classification_rule"]


@pytest.mark.django_db
def test_a_changed_rule_is_due_again_and_so_is_one_that_is_asked_for(actor, value, heard):
    rule = set_classification_rule(value=value, criterion=BOUGHT, actor=actor)
    for again in (
        lambda: edit_classification_rule(rule.pk, criterion=BOUGHT_MORE, actor=actor),
        lambda: ask_to_apply_rule(rule.pk, actor=actor),
    ):
        ClassificationRule.objects.update(applied_at="2026-01-01T00:00:00Z")

        again()

        rule.refresh_from_db()
        assert rule.applied_at is None
    assert heard == [("set", rule.pk)] * 3


@pytest.mark.django_db
def test_a_value_has_one_rule(actor, value):
    set_classification_rule(value=value, criterion=BOUGHT, actor=actor)

    with pytest.raises(RuleTaken):
        set_classification_rule(value=value, criterion=BOUGHT_MORE, actor=actor)

    assert ClassificationRule.objects.get().criterion == BOUGHT.as_json()


@pytest.mark.django_db
def test_a_rule_asks_for_something_that_exists(actor, value):
    stranger = parse_criterion({"metric": "in_community", "op": "is", "value": "nowhere"})

    with pytest.raises(RuleNeedsCriterion):
        set_classification_rule(value=value, criterion=Criterion(), actor=actor)
    with pytest.raises(InvalidCriterion):
        set_classification_rule(value=value, criterion=stranger, actor=actor)

    assert not ClassificationRule.objects.exists()


@pytest.mark.django_db
def test_a_value_of_another_enterprise_gets_no_rule(value):
    with pytest.raises(BelongsElsewhere):
        set_classification_rule(value=value, criterion=BOUGHT, actor=UserFactory())


@pytest.mark.django_db
@pytest.mark.parametrize("days", [0, 36_501])
def test_evidence_is_valid_for_some_days_or_for_good(actor, days):
    axis = create_axis(actor=actor, code="breed", name="品种", evidence_valid_days=365)

    with pytest.raises(BadValidity):
        edit_axis(axis.pk, evidence_valid_days=days, actor=actor)

    axis = edit_axis(axis.pk, evidence_valid_days=None, is_exclusive=True, actor=actor)
    axis.refresh_from_db()
    assert (axis.evidence_valid_days, axis.is_exclusive) == (None, True)


def test_a_circle_is_found_whatever_its_length():
    a, b, c, d = (Thing(DefinedBy.SEGMENT, code) for code in "abcd")
    needs = {a: [b, d], b: [c], c: [a], d: [d]}

    assert circle_through(a, lambda thing: needs[thing]) == [a, b, c, a]
    assert circle_through(d, lambda thing: needs[thing]) == [d, d]
    assert circle_through(b, lambda thing: {**needs, c: [d], d: []}[thing]) == []
