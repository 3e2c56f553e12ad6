"""Celery's doors of members."""

from __future__ import annotations

from datetime import date
from functools import partial

from celery import shared_task
from django.utils import timezone

from members.services import activity_buffer, applying_rules, deadlines, deciding, expiring, imports
from members.services.admitting import seat_waiting_applications
from members.services.detaching import detach_by_policy
from members.services.inviting_to_split import tend_splits
from members.services.model_runs import (
    continue_checking,
    continue_fitting,
    enterprises_to_check,
    enterprises_to_fit,
)
from members.services.partitions import ensure_partitions_ahead
from members.services.proposing_merges import propose_merges
from members.services.requalifying import requalify_members
from members.services.scoring import continue_scoring, enterprises_to_score
from members.services.snapshot_runs import (
    continue_snapshots,
    enterprises_to_snapshot,
    enterprises_with_communities,
    snapshot_today,
)
from members.services.starting_splits import list_invitations
from members.services.statistics_runs import continue_counting, enterprises_to_count
from members.services.tier_dues import drain_tier_dues
from members.services.tiering_runs import continue_tiering, schemes_to_tier
from members.services.uploading import remove_orphan_photos
from members.services.values import continue_valuing, enterprises_to_value
from members.services.verifying_phones import forget_phones
from members.services.watching_capacity import watch_capacity
from scrm.shared.waking import wake
from scrm.wecom.services.bell import Bell

VALUING_BUDGET = 30.0
FLUSH_BUDGET = 10.0
SCORING_BUDGET = 30.0  # seconds; well below the time limit of a task
SNAPSHOT_BUDGET = 30.0
# A step may read a large table from end to end, and a lease is longer than that.
LONG_STEP = 300  # seconds
RULE_BUDGET = 30.0
TIERING_BUDGET = 30.0
IMPORT_BUDGET = 30.0
COUNTING_BUDGET = 30.0
DUES_BUDGET = 2.0  # a sweep is short


@shared_task(name="members.sweep_waiting_applications")
def sweep_waiting_applications() -> None:
    seat_waiting_applications()


@shared_task(name="members.sweep_decisions")
def sweep_decisions() -> None:
    deciding.settle_due_decisions()


@shared_task(name="members.sweep_evaluations")
def sweep_evaluations() -> None:
    deciding.evaluate_waiting_applications()


@shared_task(name="members.sweep_deadlines")
def sweep_deadlines() -> None:
    deadlines.expire_applications()
    deadlines.watch_reviews()


@shared_task(name="members.sweep_requalification")
def sweep_requalification() -> None:
    requalify_members()


@shared_task(name="members.sweep_capacity")
def sweep_capacity() -> None:
    watch_capacity(timezone.now())


@shared_task(name="members.sweep_activity_buffer")
def sweep_activity_buffer() -> None:
    activity_buffer.flush_buffer(budget=FLUSH_BUDGET)


ACTIVITY_BELL = Bell(partial(wake, sweep_activity_buffer))


@shared_task(name="members.prepare_partitions")
def prepare_partitions() -> None:
    ensure_partitions_ahead(timezone.now())


@shared_task(name="members.sweep_orphan_photos")
def sweep_orphan_photos() -> None:
    remove_orphan_photos(timezone.now())


@shared_task(name="members.sweep_phone_verifications")
def sweep_phone_verifications() -> None:
    forget_phones(timezone.now())


@shared_task(name="members.sweep_scoring")
def sweep_scoring() -> None:
    for enterprise_id, day in enterprises_to_score(timezone.now()):
        score_churn.delay(enterprise_id, day.isoformat())


@shared_task(name="members.score_churn", soft_time_limit=LONG_STEP, time_limit=LONG_STEP + 30)
def score_churn(enterprise_id: int, day: str) -> None:
    if not continue_scoring(enterprise_id, day=date.fromisoformat(day), budget=SCORING_BUDGET):
        score_churn.delay(enterprise_id, day)


@shared_task(name="members.sweep_snapshots")
def sweep_snapshots() -> None:
    for enterprise_id, day in enterprises_to_snapshot(timezone.now()):
        snapshot_communities.delay(enterprise_id, day.isoformat())


@shared_task(name="members.snapshot_communities")
def snapshot_communities(enterprise_id: int, day: str) -> None:
    until = date.fromisoformat(day)
    if not continue_snapshots(enterprise_id, day=until, budget=SNAPSHOT_BUDGET):
        snapshot_communities.delay(enterprise_id, day)


@shared_task(name="members.sweep_today")
def sweep_today() -> None:
    for enterprise_id in enterprises_with_communities():
        snapshot_communities_today.delay(enterprise_id)


@shared_task(name="members.snapshot_communities_today")
def snapshot_communities_today(enterprise_id: int, after: int = 0) -> None:
    further = snapshot_today(enterprise_id, now=timezone.now(), after=after, budget=SNAPSHOT_BUDGET)
    if further is not None:
        snapshot_communities_today.delay(enterprise_id, further)


@shared_task(name="members.sweep_fitting")
def sweep_fitting() -> None:
    for enterprise_id, day in enterprises_to_fit(timezone.now()):
        fit_models.delay(enterprise_id, day.isoformat())


@shared_task(name="members.fit_models", soft_time_limit=LONG_STEP, time_limit=LONG_STEP + 30)
def fit_models(enterprise_id: int, day: str) -> None:
    if not continue_fitting(enterprise_id, day=date.fromisoformat(day), budget=SCORING_BUDGET):
        fit_models.delay(enterprise_id, day)


@shared_task(name="members.sweep_checking")
def sweep_checking() -> None:
    for enterprise_id, day in enterprises_to_check(timezone.now()):
        check_scores.delay(enterprise_id, day.isoformat())


@shared_task(name="members.check_scores", soft_time_limit=LONG_STEP, time_limit=LONG_STEP + 30)
def check_scores(enterprise_id: int, day: str) -> None:
    if not continue_checking(enterprise_id, day=date.fromisoformat(day), budget=SCORING_BUDGET):
        check_scores.delay(enterprise_id, day)


@shared_task(name="members.sweep_values")
def sweep_values() -> None:
    for enterprise_id, day in enterprises_to_value(timezone.now()):
        value_members.delay(enterprise_id, day.isoformat())


@shared_task(name="members.value_members")
def value_members(enterprise_id: int, day: str) -> None:
    if not continue_valuing(enterprise_id, day=date.fromisoformat(day), budget=VALUING_BUDGET):
        value_members.delay(enterprise_id, day)


@shared_task(name="members.list_split_invitations")
def list_split_invitations(plan_id: int) -> None:
    list_invitations(plan_id)


@shared_task(name="members.sweep_splits")
def sweep_splits() -> None:
    tend_splits()


@shared_task(name="members.sweep_classification_rules")
def sweep_classification_rules() -> None:
    for rule_id in applying_rules.rules_to_apply(timezone.now()):
        apply_classification_rule.delay(rule_id)


@shared_task(name="members.sweep_removed_classification_rules")
def sweep_removed_classification_rules() -> None:
    for value_id in expiring.values_without_their_rule():
        end_rule_classifications.delay(value_id)


@shared_task(name="members.apply_classification_rule")
def apply_classification_rule(rule_id: int, after: int = 0) -> None:
    applied = applying_rules.apply_classification_rule(rule_id, after=after, budget=RULE_BUDGET)
    if applied.next_member is not None:
        apply_classification_rule.delay(rule_id, applied.next_member)


@shared_task(name="members.end_rule_classifications")
def end_rule_classifications(value_id: int) -> None:
    expiring.end_rule_classifications(value_id)


@shared_task(name="members.sweep_expired_classifications")
def sweep_expired_classifications() -> None:
    expiring.end_expired_classifications(timezone.now())


@shared_task(name="members.sweep_tier_dues")
def sweep_tier_dues() -> None:
    drain_tier_dues(budget=DUES_BUDGET)


@shared_task(name="members.sweep_tiering")
def sweep_tiering() -> None:
    for scheme_id, day in schemes_to_tier(timezone.now()):
        tier_scheme.delay(scheme_id, day.isoformat())


@shared_task(name="members.tier_scheme")
def tier_scheme(scheme_id: int, day: str) -> None:
    if not continue_tiering(scheme_id, day=date.fromisoformat(day), budget=TIERING_BUDGET):
        tier_scheme.delay(scheme_id, day)


@shared_task(name="members.sweep_small_communities")
def sweep_small_communities() -> None:
    propose_merges(timezone.now())


@shared_task(name="members.take_in_imports")
def take_in_imports(run_id: int) -> None:
    if not imports.take_in(run_id, budget=IMPORT_BUDGET):
        take_in_imports.delay(run_id)


@shared_task(name="members.sweep_imports")
def sweep_imports() -> None:
    for run_id in imports.imports_to_take():
        take_in_imports.delay(run_id)


@shared_task(name="members.detach_old_months")
def detach_old_months() -> None:
    detach_by_policy(timezone.now())


@shared_task(name="members.sweep_statistics")
def sweep_statistics() -> None:
    for enterprise_id, day in enterprises_to_count(timezone.now()):
        read_statistics.delay(enterprise_id, day.isoformat())


@shared_task(name="members.read_statistics")
def read_statistics(enterprise_id: int, day: str) -> None:
    if not continue_counting(enterprise_id, day=date.fromisoformat(day), budget=COUNTING_BUDGET):
        read_statistics.delay(enterprise_id, day)
