from datetime import date

import pytest
from django.utils import translation
from django.utils.translation import gettext_noop

from members.rules.insight import (
    HEALTH_PARTS,
    as_kept,
    health_score,
    kept_figure,
    percentile_of,
    small_number,
)
from scrm.shared.figures import (
    Better,
    Figure,
    FigureDefinition,
    FigureRegistry,
    FigureUnit,
    Note,
)

DAY = date(2026, 3, 1)


def definition(name, **changes):
    return FigureDefinition(name, name, FigureUnit.PEOPLE, "", "", **changes)


def test_figures_are_measured_once_and_carry_the_unit_of_their_definition():
    registry, asked = FigureRegistry(), []

    def measure(subject, on):
        asked.append((subject, on))
        return [Figure("here", 3), Figure("gone", 1)]

    registry.register_together([definition("here"), definition("gone")], measure)

    found = registry.measure("a subject", DAY)

    assert asked == [("a subject", DAY)]
    assert found["gone"] == Figure("gone", 1, FigureUnit.PEOPLE)


def test_only_what_is_asked_for_is_measured():
    registry = FigureRegistry()
    registry.register(definition("one"), lambda subject, on: Figure("one", 1))
    registry.register(definition("two"), lambda subject, on: 1 / 0)

    assert list(registry.measure("", DAY, names=frozenset({"one"}))) == ["one"]


def test_a_derived_figure_gets_what_it_needs_though_nobody_asked_for_it():
    registry = FigureRegistry()
    registry.register_derived(
        definition("twice"),
        lambda subject, on, found: Figure("twice", 2 * found["one"].value),
        needs=frozenset({"one", "registered by nobody"}),
    )
    registry.register(definition("one"), lambda subject, on: Figure("one", 4))

    found = registry.measure("", DAY, names=frozenset({"twice"}))

    assert {name: figure.value for name, figure in found.items()} == {"twice": 8}


def test_a_name_is_registered_once():
    registry = FigureRegistry()
    registry.register(definition("one"), lambda subject, on: Figure("one", 1))

    with pytest.raises(ValueError, match="twice"):
        registry.register(definition("one"), lambda subject, on: Figure("one", 1))


def test_a_kept_figure_comes_back_unless_it_was_defined_anew():
    figure = Figure("share", 0.25, FigureUnit.PEOPLE, small_number(7), 7)
    kept = as_kept({"share": figure}, [definition("share"), definition("never measured")])

    assert kept_figure(kept, definition("share")) == figure
    assert kept_figure(kept, definition("share", version=2)) is None
    assert kept_figure(kept, definition("never measured")) is None


def test_a_note_is_translated_where_it_is_read():
    note = Note(gettext_noop("样本太少（%(n)d），只作参考。"), {"n": 3})

    assert str(note) == "样本太少（3），只作参考。"
    with translation.override("en"):
        assert "3" in str(note)
    assert not Note()


def test_a_percentile_is_the_share_of_the_history_that_was_worse():
    history = [1, 2, 3, 4]

    assert percentile_of(5, history, Better.UP) == 1
    assert percentile_of(3, history, Better.UP) == 0.625
    assert percentile_of(0, history, Better.DOWN) == 1
    assert percentile_of(2, [2, 2], Better.DOWN) == 0.5


def test_health_is_the_weighted_mean_of_the_parts_that_are_known():
    assert sum(part.weight for part in HEALTH_PARTS) == 100
    assert health_score({part.name: 1.0 for part in HEALTH_PARTS}) == 100
    assert health_score({"stickiness": 0.5, "interaction": 1.0}) == pytest.approx(
        100 * (25 * 0.5 + 20) / 45
    )
    assert health_score({"stickiness": None}) is None
