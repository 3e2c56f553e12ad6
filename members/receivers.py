"""When this happens, members does that."""

from __future__ import annotations

from datetime import date
from functools import partial

from django.db import transaction
from django.dispatch import receiver

from communities.rules.status import CommunityStatus
from communities.signals import (
    axis_made_exclusive,
    chat_assigned,
    classification_rule_removed,
    classification_rule_set,
    community_moved,
    customers_settled,
    entry_policy_set,
)
from members import tasks
from members.rules.standing import ConsentPurpose
from members.services.closing import dissolve_memberships, end_open_applications
from members.services.deciding import apply_policy_to_undecided
from members.services.expiring import refuse_several_values
from members.services.forgetting_profiles import forget_profile
from members.services.inviting_to_split import settle_gone, settle_joined
from members.services.platform.assigning import admit_chat
from members.services.platform.chat_events import CHAT_CHANGES, CHAT_EVENT, take_chat_events
from members.services.platform.chat_reader import ChatReader
from members.services.platform_customers.changing_hands import (
    part_from_leavers,
    read_customers_again,
)
from members.services.platform_customers.events import (
    CUSTOMER_CHANGES,
    CUSTOMER_EVENT,
    CustomerReader,
    take_customer_events,
)
from members.services.platform_customers.step import CustomersStep
from members.services.platform_groups import GroupsStep
from members.services.proposing_merges import drop_merge_proposal
from members.services.settling_evidence import settle_evidence_of
from members.services.tier_marks import (
    CLASSES,
    CONSENTS,
    TAGS,
    mark_after_moving,
    mark_holders,
    mark_members,
)
from members.signals import (
    classification_changed,
    classifications_swept,
    consent_recorded,
    entry_decided,
    import_handed_in,
    member_erased,
    member_joined,
    member_left,
    members_joined,
    members_left,
    split_started,
    tags_swept,
    tiering_begun,
    tiers_changed,
    tiers_due,
)
from scrm.wecom import handlers
from scrm.wecom.rules.status import ReadKind


@receiver(community_moved)
def end_with_the_community(*, community_id: int, after: str, **_: object) -> None:
    if after == CommunityStatus.CLOSING:
        end_open_applications(community_id)
    elif after == CommunityStatus.DISSOLVED:
        dissolve_memberships(community_id)


@receiver(chat_assigned)
def belong_with_the_chat(*, chat_id: int, **_: object) -> None:
    admit_chat(chat_id)


@receiver(community_moved)
def propose_nothing_for_what_ends(*, community_id: int, after: str, **_: object) -> None:
    if after != CommunityStatus.ACTIVE:
        drop_merge_proposal(community_id)


@receiver(member_joined)
def welcome_from_the_split(*, membership_id: int, **_: object) -> None:
    settle_joined([membership_id])


@receiver(members_joined)
def welcome_many_from_the_split(*, membership_ids: list[int], **_: object) -> None:
    settle_joined(membership_ids)


@receiver(member_left)
def stop_asking(*, membership_id: int, **_: object) -> None:
    settle_gone([membership_id])


@receiver(members_left)
def stop_asking_many(*, membership_ids: list[int], **_: object) -> None:
    settle_gone(membership_ids)


@receiver(split_started)
def hurry_the_lists(*, plan_id: int, **_: object) -> None:
    transaction.on_commit(partial(tasks.list_split_invitations.delay, plan_id), robust=True)


@receiver(axis_made_exclusive)
def refuse_while_members_have_several(*, axis_id: int, **_: object) -> None:
    refuse_several_values(axis_id)


@receiver(classification_rule_set)
def hurry_the_rule(*, rule_id: int, **_: object) -> None:
    transaction.on_commit(partial(tasks.apply_classification_rule.delay, rule_id), robust=True)


@receiver(classification_rule_removed)
def take_back_what_the_rule_gave(*, value_id: int, **_: object) -> None:
    transaction.on_commit(partial(tasks.end_rule_classifications.delay, value_id), robust=True)


@receiver(entry_policy_set)
def judge_by_the_new_policy(*, community_id: int, policy_id: int, **_: object) -> None:
    if apply_policy_to_undecided(community_id, policy_id):
        transaction.on_commit(tasks.sweep_evaluations.delay, robust=True)


@receiver(entry_decided)
def decide_its_photos(*, application_id: int, **_: object) -> None:
    settle_evidence_of(application_id)


@receiver(classification_changed)
def look_at_tiers_by_class(*, member_id: int, **_: object) -> None:
    mark_members([member_id], moved=CLASSES)


@receiver(classifications_swept)
def look_at_tiers_by_classes(*, member_ids: list[int], **_: object) -> None:
    mark_members(member_ids, moved=CLASSES)


@receiver(tags_swept)
def look_at_tiers_by_tag(*, member_ids: list[int], **_: object) -> None:
    mark_members(member_ids, moved=TAGS)


@receiver(consent_recorded)
def look_at_tiers_by_consent(*, member_id: int, **_: object) -> None:
    mark_members([member_id], moved=CONSENTS)


@receiver(consent_recorded)
def forget_the_profile_of_who_says_no(*, member_id: int, purpose: str, **_: object) -> None:
    if purpose == ConsentPurpose.PROFILING:
        forget_profile(member_id)


@receiver(member_erased)
def forget_the_profile_of_the_erased(*, member_id: int, **_: object) -> None:
    forget_profile(member_id)


@receiver([member_joined, member_left])
def look_at_tiers_after_moving(*, membership_id: int, **_: object) -> None:
    mark_after_moving([membership_id])


@receiver([members_joined, members_left])
def look_at_tiers_after_many_moved(*, membership_ids: list[int], **_: object) -> None:
    mark_after_moving(membership_ids)


@receiver(tiers_changed)
def look_at_tiers_by_tier(*, scheme_id: int, assignment_ids: list[int], **_: object) -> None:
    mark_holders(scheme_id, assignment_ids)


@receiver(customers_settled)
def read_who_changed_hands(*, item_ids: list[int], **_: object) -> None:
    read_customers_again(item_ids)  # requests are locked before the people that they are about
    part_from_leavers(item_ids)


@receiver(import_handed_in)
def hurry_the_import(*, run_id: int, **_: object) -> None:
    transaction.on_commit(partial(tasks.take_in_imports.delay, run_id), robust=True)


@receiver(tiers_due)
def hurry_the_tiers(**_: object) -> None:
    transaction.on_commit(tasks.sweep_tier_dues.delay, robust=True)


@receiver(tiering_begun)
def hurry_the_tiering(*, scheme_id: int, day: date, **_: object) -> None:
    enqueue = partial(tasks.tier_scheme.delay, scheme_id, day.isoformat())
    transaction.on_commit(enqueue, robust=True)


def follow_customers() -> None:
    """Once, when the app is ready."""
    handlers.on_event(CUSTOMER_EVENT, CUSTOMER_CHANGES, take_customer_events)
    handlers.on_read(ReadKind.CUSTOMER, CustomerReader())
    handlers.add_sync_step(CustomersStep())


def follow_groups() -> None:
    """Once, when the app is ready and customers are followed: groups come after them in a sync."""
    handlers.on_event(CHAT_EVENT, CHAT_CHANGES, take_chat_events)
    handlers.on_read(ReadKind.CHAT, ChatReader())
    handlers.add_sync_step(GroupsStep())
