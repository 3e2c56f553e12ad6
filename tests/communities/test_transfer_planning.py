"""Who takes over what. The number of examples of the property is raised with PLAN_EXAMPLES."""

import os
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from communities.rules.transfer_planning import Candidate, Named, Policy, Thing, plan, policy_for
from communities.rules.transfer_words import REASONS
from communities.rules.transfers import POLICY_SELECTIONS, Selection, Subject

EXAMPLES = int(os.environ.get("PLAN_EXAMPLES", "60"))
GIVER, ANNA, BO, CHEN = 1, 2, 3, 4
VIP, EAST, SHANGHAI = 10, 20, 21


def thing(key=1, subject=Subject.CHAT, giver_id=GIVER, **facts):
    return Thing(key, subject, giver_id, **facts)


def candidate(staff_id, load=0, refusal="", department_id=None, subject=Subject.CHAT):
    return Candidate(staff_id, department_id, {subject: load}, {subject: refusal})


def policy(id=1, selection=Selection.LEAST_LOADED, subject=Subject.CHAT, **says):
    return Policy(id, subject, selection, **says)


def named(*staff_ids, value_id=None):
    return tuple(Named(staff_id, value_id) for staff_id in staff_ids)


def only(things, candidates, policies=(), **options):
    (found,) = plan(things, candidates, policies, **options)
    return found


def receivers(assignments):
    return [each.receiver_id for each in assignments]


# --- Which policy ---------------------------------------------------------------------------------


def test_the_policy_with_more_conditions_wins():
    general, of_kind = policy(1), policy(2, kind="vip")
    of_kind_and_tier = policy(3, kind="vip", tier_id=VIP)

    found = policy_for(
        thing(kind="vip", tier_id=VIP, values={EAST: 0}), [general, of_kind_and_tier, of_kind]
    )

    assert found == of_kind_and_tier


def test_classification_goes_before_tier_before_kind():
    of_kind, of_tier, of_value = (
        policy(1, kind="vip"),
        policy(2, tier_id=VIP),
        policy(3, value_id=EAST),
    )
    here = thing(kind="vip", tier_id=VIP, values={EAST: 0})

    assert policy_for(here, [of_kind, of_tier, of_value]) == of_value
    assert policy_for(here, [of_kind, of_tier]) == of_tier


def test_the_nearer_classification_wins_and_then_the_older_policy():
    of_east, of_shanghai, younger = (
        policy(1, value_id=EAST),
        policy(2, value_id=SHANGHAI),
        policy(3, value_id=SHANGHAI),
    )

    found = policy_for(thing(values={SHANGHAI: 0, EAST: 1}), [of_east, younger, of_shanghai])

    assert found == of_shanghai


def test_a_policy_that_asks_for_what_a_chat_is_not_does_not_apply():
    others = [policy(1, kind="vip"), policy(2, tier_id=VIP), policy(3, value_id=EAST)]

    assert policy_for(thing(kind="flash"), others) is None
    assert policy_for(thing(), [policy(4, subject=Subject.CUSTOMER)]) is None


# --- How a receiver is found ----------------------------------------------------------------------


def test_without_a_policy_the_least_loaded_colleague_receives():
    found = only([thing()], [candidate(ANNA, 5), candidate(BO, 3)])

    assert (found.receiver_id, found.policy_id) == (BO, None)
    assert found.selection == Selection.LEAST_LOADED


def test_loads_even_out_while_a_plan_is_made():
    found = plan([thing(key) for key in range(6)], [candidate(ANNA, 4), candidate(BO, 2)], [])

    assert Counter(receivers(found)) == {BO: 4, ANNA: 2}


def test_the_giver_never_receives():
    found = plan([thing(1), thing(2, giver_id=ANNA)], [candidate(GIVER), candidate(ANNA, 9)], [])

    assert receivers(found) == [ANNA, GIVER]


def test_the_backup_owner_of_the_community_receives():
    by_backup = policy(selection=Selection.BACKUP_OWNER)

    found = only([thing(backup_id=BO)], [candidate(ANNA), candidate(BO, 99)], [by_backup])

    assert (found.receiver_id, found.policy_id, found.selection) == (BO, 1, "backup_owner")


def test_the_own_department_is_asked_before_the_one_above_it():
    by_department = policy(selection=Selection.SAME_DEPARTMENT, maximum=1)
    people = [
        candidate(ANNA, department_id=70),
        candidate(BO, department_id=71),
        candidate(CHEN, department_id=99),
    ]
    things = [thing(key, departments=(71, 70)) for key in (1, 2, 3)]

    found = plan(things, people, [by_department])

    assert receivers(found) == [BO, ANNA, None]
    assert found[2].reason == "receiver_full"


def test_a_classification_covers_what_lies_below_it_and_the_nearest_one_is_asked_first():
    names = (*named(ANNA, value_id=EAST), *named(BO, value_id=SHANGHAI), *named(CHEN))
    by_class = policy(selection=Selection.BY_CLASSIFICATION, receivers=names)
    people = [candidate(ANNA), candidate(BO, 50), candidate(CHEN)]
    things = [thing(1, values={SHANGHAI: 0, EAST: 1}), thing(2, values={EAST: 0}), thing(3)]

    found = plan(things, people, [by_class])

    assert receivers(found) == [BO, ANNA, None]
    assert found[2].reason == "no_receiver"


def test_fixed_receivers_are_filled_in_their_order():
    fixed = policy(selection=Selection.FIXED, maximum=2, receivers=named(BO, ANNA))

    found = plan([thing(key) for key in range(4)], [candidate(ANNA), candidate(BO, 1)], [fixed])

    assert receivers(found) == [BO, ANNA, ANNA, None]


def test_the_fallback_is_used_and_recorded_where_the_first_way_finds_nobody():
    with_fallback = policy(selection=Selection.BACKUP_OWNER, fallback=Selection.LEAST_LOADED)

    without_backup = only([thing()], [candidate(ANNA)], [with_fallback])
    backup_has_left = only(
        [thing(backup_id=BO)], [candidate(ANNA), candidate(BO, 0, "receiver_inactive")],
        [with_fallback],
    )  # fmt: skip

    for found in (without_backup, backup_has_left):
        assert (found.receiver_id, found.policy_id, found.selection) == (ANNA, 1, "least_loaded")


def test_a_maximum_of_nothing_means_nobody_and_no_maximum_means_no_limit():
    nobody = only([thing()], [candidate(ANNA)], [policy(maximum=0)])
    anybody = only([thing()], [candidate(ANNA, 100_000)], [policy(maximum=None)])

    assert (nobody.receiver_id, nobody.reason) == (None, "receiver_full")
    assert anybody.receiver_id == ANNA


def test_who_receives_by_a_policy_stays_within_its_maximum_whatever_else_they_are_given():
    tight, loose = policy(1, kind="vip", maximum=3), policy(2)

    found = plan(
        [thing(key) for key in range(10)] + [thing(10, kind="vip")],
        [candidate(ANNA, 2), candidate(BO, 2)],
        [tight, loose],
    )

    assert found[10].policy_id == 1
    assert Counter(receivers(found))[found[10].receiver_id] == 1


# --- What a person decides ------------------------------------------------------------------------


def test_chosen_receivers_get_as_many_as_each_other_whatever_they_have():
    fixed = policy(selection=Selection.FIXED, receivers=named(CHEN))
    people = [candidate(ANNA, 500), candidate(BO), candidate(CHEN)]

    found = plan([thing(key) for key in range(6)], people, [fixed], chosen=[ANNA, BO])

    assert Counter(receivers(found)) == {ANNA: 3, BO: 3}
    assert {(each.policy_id, each.selection) for each in found} == {(1, "chosen")}


def test_the_maximum_of_the_policy_holds_for_chosen_receivers_too():
    found = plan([thing(key) for key in range(3)], [candidate(ANNA)], [policy(maximum=2)],
                 chosen=[ANNA])  # fmt: skip

    assert receivers(found) == [ANNA, ANNA, None]
    assert found[2].reason == "receiver_full"


def test_a_pinned_receiver_is_only_checked():
    people = [candidate(ANNA), candidate(BO, 0, "receiver_not_allowed")]

    pinned = only([thing(pinned_id=ANNA)], people, [policy(selection=Selection.BACKUP_OWNER)])
    refused = only([thing(pinned_id=BO)], people)

    assert (pinned.receiver_id, pinned.selection) == (ANNA, "chosen")
    assert (refused.receiver_id, refused.reason) == (None, "receiver_not_allowed")


def test_what_stays_with_its_receiver_moves_only_when_that_is_impossible():
    stays = thing(preferred_id=ANNA, preferred_selection="fixed")

    kept = only([stays], [candidate(ANNA, 9), candidate(BO)])
    moved = only([stays], [candidate(ANNA, 9, "receiver_inactive"), candidate(BO)])

    assert (kept.receiver_id, kept.selection) == (ANNA, "fixed")
    assert (moved.receiver_id, moved.selection) == (BO, "least_loaded")


def test_what_a_person_has_pinned_is_served_before_what_stays_and_that_before_the_rest():
    things = [
        thing(1),
        thing(2, preferred_id=ANNA, preferred_selection="fixed"),
        thing(3, pinned_id=ANNA),
    ]

    found = plan(things, [candidate(ANNA)], [policy(maximum=2)])

    assert receivers(found) == [None, ANNA, ANNA]


def test_the_policy_with_the_lower_maximum_is_served_first():
    tight, loose = policy(1, kind="vip", maximum=1), policy(2, maximum=2)

    found = plan([thing(1), thing(2, kind="vip")], [candidate(ANNA)], [tight, loose])

    assert receivers(found) == [None, ANNA]


# --- Why there is nobody --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("people", "options", "reason"),
    [
        ([], {}, "no_receiver"),
        ([candidate(GIVER)], {}, "no_receiver"),
        ([candidate(ANNA)], {"chosen": [GIVER]}, "receiver_is_owner"),
        ([candidate(ANNA)], {"chosen": [77]}, "receiver_elsewhere"),
        ([candidate(ANNA, 0, "no_connection")] * 2, {}, "no_connection"),
        (
            [candidate(ANNA, 0, "receiver_inactive"), candidate(BO, 0, "receiver_not_allowed")],
            {},
            "no_receiver",
        ),
    ],
)
def test_the_reason_says_why_nobody_receives(people, options, reason):
    found = only([thing()], people, **options)

    assert (found.receiver_id, found.reason, found.selection) == (None, reason, "")
    assert found.reason in REASONS


# --- For any policies and loads -------------------------------------------------------------------

STAFF = st.integers(1, 4)
VALUES = st.dictionaries(st.integers(20, 21), st.integers(0, 2), max_size=2)
SUBJECTS = st.sampled_from([Subject.CHAT, Subject.CHAT, Subject.CHAT, Subject.CUSTOMER])
KINDS = st.sampled_from(["", "vip"])
TIERS = st.none() | st.just(10)
DEPARTMENTS = st.integers(70, 71)


@st.composite
def worlds(draw):
    """Few colleagues and many things, so that loads meet their limits."""
    people = [
        Candidate(
            staff_id,
            draw(st.none() | DEPARTMENTS),
            draw(st.dictionaries(SUBJECTS, st.integers(0, 3))),
            draw(st.dictionaries(SUBJECTS, st.sampled_from(["", "", "receiver_inactive"]))),
        )
        for staff_id in draw(st.lists(STAFF, unique=True))
    ]
    policies = [
        Policy(
            id=number,
            subject=draw(SUBJECTS),
            selection=draw(st.sampled_from(POLICY_SELECTIONS)),
            fallback=draw(st.sampled_from(["", *POLICY_SELECTIONS])),
            kind=draw(KINDS),
            tier_id=draw(TIERS),
            value_id=draw(st.none() | st.integers(20, 21)),
            maximum=draw(st.none() | st.integers(0, 6)),
            receivers=tuple(
                draw(st.lists(st.builds(Named, STAFF, st.none() | st.integers(20, 21)), max_size=4))
            ),
        )
        for number in range(draw(st.integers(0, 4)))
    ]
    things = [
        Thing(
            key,
            draw(SUBJECTS),
            draw(STAFF),
            kind=draw(KINDS),
            tier_id=draw(TIERS),
            values=draw(VALUES),
            departments=tuple(draw(st.lists(DEPARTMENTS, unique=True))),
            backup_id=draw(st.none() | STAFF),
            pinned_id=draw(st.none() | st.none() | STAFF),
        )
        for key in range(draw(st.integers(0, 12)))
    ]
    return things, people, policies, draw(st.just([]) | st.lists(STAFF, max_size=2))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), st.randoms(use_true_random=False))
def test_nobody_gets_more_than_the_maximum_and_nobody_ineligible_anything(world, chance):
    things, people, policies, chosen = world

    found = plan(things, people, policies, chosen=chosen)

    by_id = {each.staff_id: each for each in people}
    rules = {each.id: each for each in policies}
    given_to = Counter(
        (each.receiver_id, one.subject) for each, one in zip(found, things, strict=True)
    )
    for each, one in zip(found, things, strict=True):
        assert each.key == one.key
        applied = policy_for(one, policies)
        assert each.policy_id == (applied and applied.id)
        assert bool(each.reason) == (each.receiver_id is None)
        assert not each.reason or each.reason in REASONS
        if each.receiver_id is None:
            continue
        receiver = by_id[each.receiver_id]
        assert each.receiver_id != one.giver_id
        assert not receiver.refusals.get(one.subject)
        assert is_meant(each, one, applied, receiver, chosen)
        if applied and applied.maximum is not None:
            had = receiver.loads.get(one.subject, 0)
            assert had + given_to[each.receiver_id, one.subject] <= rules[applied.id].maximum
    waiting = [stays(one, each.receiver_id) for one, each in zip(things, found, strict=True)]
    assert receivers(plan(waiting, people, policies, chosen=chosen)) == receivers(found)
    for mixed in (things, people, policies):
        chance.shuffle(mixed)
    assert plan(things, people, policies, chosen=chosen) == found


def stays(one, receiver_id):
    """As it waits for its approval."""
    if one.pinned_id is not None or receiver_id is None:
        return one
    return replace(one, preferred_id=receiver_id, preferred_selection="fixed")


def is_meant(each, one, applied, receiver, chosen):
    """Whether the receiver is one whom the recorded way of selecting may find."""
    staff_id = receiver.staff_id
    names = applied.receivers if applied else ()
    return {
        Selection.CHOSEN: staff_id in (one.pinned_id, *chosen),
        Selection.LEAST_LOADED: True,
        Selection.BACKUP_OWNER: staff_id == one.backup_id,
        Selection.SAME_DEPARTMENT: receiver.department_id in one.departments,
        Selection.FIXED: Named(staff_id) in names,
        Selection.BY_CLASSIFICATION: any(
            Named(staff_id, value_id) in names for value_id in one.values
        ),
    }[each.selection]
