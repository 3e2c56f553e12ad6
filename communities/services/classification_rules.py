"""Rules that classify members by what is measured of them."""

from __future__ import annotations

from typing import TypedDict, Unpack

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.errors import RuleNeedsCriterion, RuleTaken
from communities.models import ClassificationRule, ClassificationValue
from communities.rules.circles import DefinedBy, Thing
from communities.services.belonging import refuse_strangers
from communities.services.circularity import refuse_circle
from communities.services.gatekeeping import refuse_unknown_references
from communities.signals import classification_rule_removed, classification_rule_set
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.criteria import Criterion
from scrm.shared.errors import refusing


class RuleChanges(TypedDict, total=False):
    criterion: Criterion
    is_active: bool


@transaction.atomic
def set_classification_rule(
    *, value: ClassificationValue, criterion: Criterion, actor: User, is_active: bool = True
) -> ClassificationRule:
    """From now on members who meet the criterion have the value."""
    refuse_strangers(actor.enterprise_id, [value.axis])
    rule = ClassificationRule(
        value=value, criterion=criterion.as_json(), is_active=is_active, created_by=actor
    )
    taken = RuleTaken(_("“%(value)s”已有规则，请修改那一条。") % {"value": value})
    _refuse_unmeasurable(criterion, enterprise_id=actor.enterprise_id)
    with refusing(taken, constraint="communities_classificationrule_value_id_key"):
        rule.save(force_insert=True)
    _refuse_circle(rule)
    record_audit(
        actor, verb="set_classification_rule", subject=value.axis, after=_told(rule, value)
    )
    _announce(rule)
    return rule


@transaction.atomic
def edit_classification_rule(
    rule_id: int, *, actor: User, **changes: Unpack[RuleChanges]
) -> ClassificationRule:
    """Another criterion, or switched on or off. What a rule gave stays while it is off."""
    rule = _locked(rule_id)
    before = _told(rule, rule.value)
    criterion = changes.get("criterion")
    if criterion is not None:
        _refuse_unmeasurable(criterion, enterprise_id=rule.value.axis.enterprise_id)
        rule.criterion = criterion.as_json()
    rule.is_active = changes.get("is_active", rule.is_active)
    after = _told(rule, rule.value)
    if after == before:
        return rule
    rule.applied_at = None
    rule.save(update_fields=["criterion", "is_active", "applied_at"])
    if criterion is not None:
        _refuse_circle(rule)
    record_audit(
        actor, verb="edit_classification_rule", subject=rule.value.axis, before=before, after=after
    )
    _announce(rule)
    return rule


@transaction.atomic
def remove_classification_rule(rule_id: int, *, actor: User) -> ClassificationValue:
    """Without its rule a value is taken back from whom only the rule gave it."""
    rule = _locked(rule_id)
    value = rule.value
    before = _told(rule, value)
    rule.delete()
    record_audit(actor, verb="remove_classification_rule", subject=value.axis, before=before)
    classification_rule_removed.send(sender=ClassificationRule, value_id=value.pk)
    return value


@transaction.atomic
def ask_to_apply_rule(rule_id: int, *, actor: User) -> ClassificationRule:
    """Make an active rule due now, without waiting for the night."""
    rule = _locked(rule_id)
    rule.applied_at = None
    rule.save(update_fields=["applied_at"])
    record_audit(
        actor,
        verb="apply_classification_rule",
        subject=rule.value.axis,
        after={"rule": rule.pk, "asked_at": timezone.now()},
    )
    _announce(rule)
    return rule


def _locked(rule_id: int) -> ClassificationRule:
    rules = ClassificationRule.objects.select_for_update(no_key=True, of=("self",))
    return rules.select_related("value__axis").get(pk=rule_id)


def _refuse_unmeasurable(criterion: Criterion, *, enterprise_id: int) -> None:
    if criterion.is_empty:
        raise RuleNeedsCriterion(_("请写明条件，否则人人都有这个分类。"))
    refuse_unknown_references(criterion, enterprise_id=enterprise_id)


def _refuse_circle(rule: ClassificationRule) -> None:
    axis = rule.value.axis
    refuse_circle(Thing(DefinedBy.AXIS, axis.code), enterprise_id=axis.enterprise_id)


def _announce(rule: ClassificationRule) -> None:
    if rule.is_active:
        classification_rule_set.send(sender=ClassificationRule, rule_id=rule.pk)


def _told(rule: ClassificationRule, value: ClassificationValue) -> dict[str, object]:
    return snapshot(rule, ["criterion", "is_active"]) | {"rule": rule.pk, "value": value}
