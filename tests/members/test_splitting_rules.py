from members.rules.splitting import (
    chosen_after_recount,
    free_code,
    may_stand_alone,
    places_at,
)

EAST, SHANGHAI, PUDONG, NORTH, ABROAD = 1, 2, 3, 4, 5
TREE = {EAST: None, SHANGHAI: EAST, PUDONG: SHANGHAI, NORTH: None, ABROAD: None}


def test_at_the_top_everybody_counts_for_the_root():
    assert places_at(TREE, 1) == {
        EAST: EAST,
        SHANGHAI: EAST,
        PUDONG: EAST,
        NORTH: NORTH,
        ABROAD: ABROAD,
    }


def test_below_the_top_who_is_known_too_coarsely_has_no_place():
    assert places_at(TREE, 2) == {
        SHANGHAI: SHANGHAI,
        PUDONG: SHANGHAI,
        NORTH: NORTH,
        ABROAD: ABROAD,
    }


def test_a_level_deeper_than_the_tree_takes_the_leaves():
    assert places_at(TREE, 5) == {PUDONG: PUDONG, NORTH: NORTH, ABROAD: ABROAD}


def test_a_branch_stands_alone_when_it_is_big_enough_or_wanted_for_a_reason():
    assert may_stand_alone(30, minimum_size=30, override_reason="")
    assert not may_stand_alone(29, minimum_size=30, override_reason="  ")
    assert may_stand_alone(29, minimum_size=30, override_reason="试点")
    assert not may_stand_alone(0, minimum_size=30, override_reason="试点")


def test_a_recount_keeps_what_was_decided_by_hand():
    def chosen(was_chosen, before, now, reason=""):
        return chosen_after_recount(
            was_chosen, before=before, now=now, minimum_size=30, override_reason=reason
        )

    assert chosen(True, 40, 50)
    assert not chosen(True, 40, 20)
    assert chosen(True, 20, 25, "试点")
    assert chosen(False, 20, 35)  # only its size had spoken against it
    assert not chosen(False, 40, 50)  # somebody had decided against it


def test_a_code_is_shortened_and_numbered_until_it_is_free():
    assert free_code(["cats", "east"], taken=frozenset(), limit=60) == "cats-east"
    assert free_code(["cats", "east"], taken=frozenset({"cats-east"}), limit=60) == "cats-east-2"
    taken = frozenset({"abcde", "abc-2"})
    assert free_code(["abcdef"], taken=taken, limit=5) == "abc-3"
