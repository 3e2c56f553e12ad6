"""Charts as data and options for the Chart.js that comes with Unfold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

GREEN = "var(--color-primary-600)"
RED = "var(--color-desk-leave)"
BLUE = "#3b82f6"
AMBER = "#f59e0b"
INK = "#9ca3af"  # of labels; readable on light and dark ground


@dataclass(frozen=True)
class Chart:
    data: str
    options: str
    is_empty: bool


@dataclass(frozen=True)
class Series:
    """A line, or a part of every bar. None is a gap: nobody knows."""

    name: str
    values: Sequence[float | None]
    colour: str = GREEN


def lines(labels: Sequence[str], series: Mapping[str, Sequence[int]]) -> Chart:
    """Of counts; one of nothing but zeros is empty."""
    named = zip(series.items(), (GREEN, RED), strict=False)
    drawn = line_chart(labels, [Series(name, values, colour) for (name, values), colour in named])
    return replace(drawn, is_empty=not any(map(any, series.values())))


def line_chart(labels: Sequence[str], series: Sequence[Series]) -> Chart:
    datasets = [
        {
            "label": one.name,
            "data": list(one.values),
            "borderColor": one.colour,
            "backgroundColor": one.colour,
            "borderWidth": 2,
            "tension": 0.35,
            "pointRadius": radius_of(one.values),
            "pointHoverRadius": 4,
        }
        for one in series
    ]
    drawn = chart(labels, datasets, options(has_legend=True))
    return replace(drawn, is_empty=is_unknown(series))


def is_unknown(series: Sequence[Series]) -> bool:
    """Whether nothing is known: that is not the same as nothing but zeros."""
    return all(value is None for one in series for value in one.values)


def radius_of(values: Sequence[float | None]) -> list[int]:
    """A value between two gaps has no line, so it needs a point to be seen."""
    beside = [None, *values, None]
    return [
        2 if before is None and after is None else 0
        for before, after in zip(beside, beside[2:], strict=False)
    ]


def stacked_chart(labels: Sequence[str], series: Sequence[Series]) -> Chart:
    datasets = [
        {
            "label": one.name,
            "data": list(one.values),
            "backgroundColor": one.colour,
            "borderRadius": 2,
            "maxBarThickness": 18,
        }
        for one in series
    ]
    how = options(has_legend=len(series) > 1)
    for axis in how["scales"].values():
        axis["stacked"] = True
    return replace(chart(labels, datasets, how), is_empty=is_unknown(series))


def bars(
    labels: Sequence[str], name: str, values: Sequence[int], *, is_horizontal: bool = False
) -> Chart:
    dataset = {
        "label": name,
        "data": list(values),
        "backgroundColor": GREEN,
        "borderRadius": 4,
        "maxBarThickness": 18,
    }
    return chart(labels, [dataset], options(is_horizontal=is_horizontal))


def chart(
    labels: Sequence[str], datasets: Sequence[Mapping[str, Any]], how: Mapping[str, object]
) -> Chart:
    return Chart(
        data=json.dumps({"labels": list(labels), "datasets": list(datasets)}),
        options=json.dumps(how),
        is_empty=not any(any(dataset["data"]) for dataset in datasets),
    )


def options(*, has_legend: bool = False, is_horizontal: bool = False) -> dict[str, Any]:
    counted = {
        "beginAtZero": True,
        "border": {"display": False},
        "grid": {"drawTicks": False},
        "ticks": {"color": INK, "precision": 0, "maxTicksLimit": 5, "padding": 6},
    }
    named = {
        "border": {"display": False},
        "grid": {"display": False},
        "ticks": {
            "color": INK,
            "maxRotation": 0,
            "autoSkip": not is_horizontal,
            "padding": 4,
            "autoSkipPadding": 14,
        },
    }
    return {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "indexAxis": "y" if is_horizontal else "x",
        "interaction": {"mode": "index", "intersect": False, "axis": "y" if is_horizontal else "x"},
        "plugins": {
            "legend": {
                "display": has_legend,
                "align": "end",
                "labels": {"boxWidth": 8, "boxHeight": 8, "usePointStyle": True, "color": INK},
            }
        },
        "scales": {"x": counted, "y": named} if is_horizontal else {"x": named, "y": counted},
    }
