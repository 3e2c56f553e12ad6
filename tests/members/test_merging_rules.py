from members.rules.merging import FAR, Candidate, best_target, tiers_apart


def candidate(pk, **values):
    given = {"values": frozenset(), "kind": "standard", "tier": None, "size": 10} | values
    return Candidate(pk=pk, target_size=given.pop("target_size", 500), **given)


SMALL = candidate(1, values=frozenset({7, 8}), tier=(1, 2), size=5)


def chosen(*candidates):
    best = best_target(SMALL, candidates)
    return best.pk if best else None


def test_who_shares_more_classifications_is_nearer():
    assert chosen(candidate(2, values=frozenset({7})), candidate(3, values=frozenset({7, 8}))) == 3


def test_then_the_kind_counts_and_then_the_tier():
    same = frozenset({7})
    assert chosen(candidate(2, values=same, kind="vip"), candidate(3, values=same)) == 3
    assert chosen(candidate(2, tier=(1, 5)), candidate(3, tier=(1, 3))) == 3
    assert chosen(candidate(2, tier=(9, 2)), candidate(3)) == 3


def test_of_equals_a_sibling_is_nearer_than_the_parent_and_a_smaller_one_gains_more():
    assert chosen(candidate(2, is_parent=True), candidate(3, size=90)) == 3
    assert chosen(candidate(2, size=90), candidate(3, size=20)) == 3


def test_a_sibling_of_another_kind_for_other_people_is_no_target_but_the_parent_is():
    assert chosen(candidate(2, kind="vip")) is None
    assert chosen(candidate(2, kind="vip", is_parent=True)) == 2


def test_a_target_has_room_for_everybody():
    assert chosen(candidate(2, size=496)) is None
    assert chosen(candidate(2, size=495)) == 2


def test_tiers_of_different_schemes_cannot_be_compared():
    assert tiers_apart(candidate(2, tier=(1, 2)), candidate(3, tier=(2, 2))) == FAR
    assert tiers_apart(candidate(2), candidate(3)) == 0
    assert tiers_apart(candidate(2), candidate(3, tier=(1, 4))) == 4
