"""Charts as data and options for the Chart.js that comes with Unfold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GREEN = "var(--color-primary-600)"
RED = "var(--color-desk-leave)"
INK = "#9ca3af"  # of labels; readable on light and dark ground


@dataclass(frozen=True)
class Chart:
    data: str
    options: str
    is_empty: bool


def lines(labels: Sequence[str], series: Mapping[str, Sequence[int]]) -> Chart:
    datasets = [
        {
            "label": name,
            "data": list(values),
            "borderColor": colour,
            "backgroundColor": colour,
            "borderWidth": 2,
            "tension": 0.35,
            "pointRadius": 0,
            "pointHoverRadius": 4,
        }
        for (name, values), colour in zip(series.items(), (GREEN, RED), strict=False)
    ]
    return chart(labels, datasets, options(has_legend=True))


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


def options(*, has_legend: bool = False, is_horizontal: bool = False) -> dict[str, object]:
    counted = {
        "beginAtZero": True,
        "border": {"display": False},
        "grid": {"drawTicks": False},
        "ticks": {"color": INK, "precision": 0, "maxTicksLimit": 5, "padding": 6},
    }
    named = {
        "border": {"display": False},
        "grid": {"display": False},
        "ticks": {"color": INK, "maxRotation": 0, "autoSkip": not is_horizontal, "padding": 4},
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
