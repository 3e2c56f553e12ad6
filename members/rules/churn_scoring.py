"""The arithmetic of churn: ten features of a history, their weighed sum, and what moved it.

Works on a slice of members at once and needs NumPy: load this module where it is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

import numpy as np

from members.rules.btyd import BtydParams, p_silent
from members.rules.churn import (
    DAYS_FOR_A_RHYTHM,
    HIGH_ABOVE,
    HORIZON_DAYS,
    LEAST_WEIGHT,
    LOW_BELOW,
    REASON_COUNT,
    REASON_OF_TERM,
    ChurnModel,
    ReasonCode,
    RiskBand,
)

type Numbers = np.ndarray[Any, Any]

# The last active day is known, the hour is not. The model was fitted on exact times, in which
# the last message came 0.2 days before the end of its day on average.
UNTIL_END_OF_DAY = 0.8

#: What is known of a member in a community from the days before the cut-off. Days are ``number_of``
#: a date; ``total…`` count signs of life of every kind; windows end at the cut-off, ``earlier`` is
#: the 28 days before the last 28; bit w of ``weeks`` says whether there was a sign of life in the
#: week w before the cut-off, the last week being 0.
HISTORY = np.dtype(
    [
        ("community", "i8"),
        ("member", "i8"),
        ("first_day", "i4"),
        ("last_day", "i4"),
        ("active_days", "i4"),
        ("total", "i8"),
        ("active_days_14", "i4"),
        ("active_days_28", "i4"),
        ("active_days_112", "i4"),
        ("total_28", "i8"),
        ("total_earlier", "i8"),
        ("threads_28", "i8"),
        ("weeks", "i4"),
    ]
)
AT_ONCE = 10_000
EPOCH = date(2000, 1, 1)  # as PostgreSQL counts days


def number_of(day: date) -> int:
    return (day - EPOCH).days


def date_of(number: int) -> date:
    return date.fromordinal(EPOCH.toordinal() + int(number))


def silence_days(histories: Numbers, cutoff: int) -> Numbers:
    """Days from the last sign of life to the cut-off; 1 is yesterday."""
    return np.asarray(cutoff - histories["last_day"])


def usual_gaps(histories: Numbers) -> Numbers:
    """Days between one active day and the next, on average; 0 where only one is known."""
    span = histories["last_day"] - histories["first_day"]
    return np.asarray(span / np.maximum(histories["active_days"] - 1, 1), dtype=float)


def features(histories: Numbers, cutoff: int) -> Numbers:
    """A row of ten for each member, in the order of the terms of the shipped model."""
    columns = (
        np.log1p(silence_days(histories, cutoff) - UNTIL_END_OF_DAY),
        np.log1p(histories["active_days"]),
        np.log1p(histories["total"]),
        np.log1p(cutoff - histories["first_day"]),
        histories["active_days_14"],
        histories["active_days_28"],
        histories["active_days_112"],
        np.log1p(histories["total_28"]) - np.log1p(histories["total_earlier"]),
        np.log1p(usual_gaps(histories)),
        np.log1p(histories["threads_28"]),
    )
    return np.column_stack(columns).astype(float)


def standardised(model: ChurnModel, values: Numbers) -> Numbers:
    means = np.array([term.mean for term in model.terms])
    sds = np.array([term.sd for term in model.terms])
    return np.asarray((values - means) / sds)


def contributions(model: ChurnModel, values: Numbers) -> Numbers:
    """What each term adds to the log-odds, against the average member."""
    weights = np.array([term.coefficient for term in model.terms])
    return np.asarray(standardised(model, values) * weights)


def logistic(log_odds: Numbers) -> Numbers:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(log_odds))))


def probabilities(model: ChurnModel, values: Numbers) -> Numbers:
    """That no sign of life comes within the horizon from the cut-off on."""
    return logistic(model.intercept + contributions(model, values).sum(axis=1))


# --- BG/NBD over active weeks ---------------------------------------------------------------------


def recency_frequency(weeks: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """(x, t_x, T) in weeks: repeat weeks, from the first active week to the last, and to now, the
    first one included.

    Active days come in bursts, active weeks do not; so the purchase model holds for weeks.
    Everybody needs a bit set in ``weeks``.
    """
    last_bit = weeks & -weeks
    latest = np.log2(np.maximum(last_bit, 1)).astype(int)
    earliest = np.floor(np.log2(np.maximum(weeks, 1))).astype(int)
    repeats = np.bitwise_count(weeks).astype(int) - 1
    return repeats, earliest - latest, earliest + 1


def weekly_probabilities(params: BtydParams, weeks: Numbers) -> Numbers:
    """The same as ``probabilities``. Nobody seen in all those weeks counts as silent."""
    x, tx, T = recency_frequency(weeks)  # noqa: N806 - as published
    silent = p_silent(params, x, tx, T, HORIZON_DAYS / 7)
    return np.asarray(np.where(weeks == 0, 1.0, silent))


def probabilities_by(
    logistic_model: ChurnModel,
    weekly: BtydParams | None,
    histories: Numbers,
    cutoff: date,
) -> Numbers:
    """By the active weeks where there is a model of them, else by the ten features."""
    if weekly is not None:
        return weekly_probabilities(weekly, histories["weeks"])
    return probabilities(logistic_model, features(histories, number_of(cutoff)))


def scored_lines(
    histories: Numbers, logistic_model: ChurnModel, weekly: BtydParams | None, cutoff: date
) -> Iterator[str]:
    """Lines for COPY: member, probability, band, reasons, last active day; computed for so many
    at a time that the numbers in between are few."""
    for start in range(0, len(histories), AT_ONCE):
        part = histories[start : start + AT_ONCE]
        yield from _scored_lines(part, logistic_model, weekly, cutoff)


def _scored_lines(
    histories: Numbers, logistic_model: ChurnModel, weekly: BtydParams | None, cutoff: date
) -> Iterator[str]:
    number = number_of(cutoff)
    values = features(histories, number)
    probability = (
        probabilities(logistic_model, values)
        if weekly is None
        else weekly_probabilities(weekly, histories["weeks"])
    )
    last_days = np.datetime_as_string(np.datetime64(EPOCH) + histories["last_day"].astype("m8[D]"))
    rows = zip(
        histories["member"].tolist(),
        probability.tolist(),
        bands(probability),
        reasons(logistic_model, histories, values, number),
        last_days.tolist(),
        strict=True,
    )
    for member, chance, band, said, last_day in rows:
        yield f"{member}\t{chance!r}\t{band}\t{said}\t{last_day}\n"


# --- Bands and reasons ----------------------------------------------------------------------------


def bands(probability: Numbers) -> list[str]:
    names = np.array([RiskBand.LOW.value, RiskBand.MEDIUM.value, RiskBand.HIGH.value])
    places = (probability >= LOW_BELOW).astype(int) + (probability > HIGH_ABOVE)
    return list(names[places])


def reasons(model: ChurnModel, histories: Numbers, values: Numbers, cutoff: int) -> list[str]:
    """What raised the risk of each most, strongest first, as JSON: code, numbers, and the weight
    in log-odds. Empty where nothing did."""
    codes = list(ReasonCode)
    parts = contributions(model, values)
    weights = np.zeros((len(values), len(codes)))
    for place, code in enumerate(REASON_OF_TERM):
        weights[:, codes.index(code)] += parts[:, place]
    strongest = np.argsort(-weights, axis=1, kind="stable")[:, :REASON_COUNT]
    texts = np.full((len(values), REASON_COUNT), "", dtype=object)
    for number, code in enumerate(codes):
        rows, ranks = np.nonzero((strongest == number) & (weights[:, [number]] >= LEAST_WEIGHT))
        if len(rows):
            said = _told(code, histories[rows], weights[rows, number].round(2), cutoff)
            texts[rows, ranks] = list(said)
    return [f"[{', '.join(filter(None, row))}]" for row in texts]


def _told(code: ReasonCode, histories: Numbers, weights: Numbers, cutoff: int) -> Iterator[str]:
    facts: Iterable[str]
    match code:
        case ReasonCode.SILENCE:
            facts = _silences(histories, cutoff)
        case ReasonCode.BURST:
            pairs = zip(
                histories["total_earlier"].tolist(), histories["total_28"].tolist(), strict=True
            )
            facts = (f'"before": {before}, "now": {now}' for before, now in pairs)
        case _:
            name, column = FACT_OF_REASON[code]
            facts = (f'"{name}": {value}' for value in histories[column].tolist())
    start = f'{{"code": {json.dumps(code.value)}, '
    for fact, weight in zip(facts, weights.tolist(), strict=True):
        yield f'{start}{fact}, "weight": {weight}}}'


FACT_OF_REASON = {
    ReasonCode.RECENT_DAYS: ("days", "active_days_14"),
    ReasonCode.SEASON_DAYS: ("days", "active_days_112"),
    ReasonCode.FEW_TOPICS: ("topics", "threads_28"),
    ReasonCode.SHORT_HISTORY: ("days", "active_days"),
}


def _silences(histories: Numbers, cutoff: int) -> Iterator[str]:
    """A rhythm slower than the silence would argue against it, and a short history has none."""
    days, usual = silence_days(histories, cutoff), usual_gaps(histories).round(1)
    tells = (histories["active_days"] >= DAYS_FOR_A_RHYTHM) & (days > usual)
    for silent, gap, told in zip(days.tolist(), usual.tolist(), tells.tolist(), strict=True):
        yield f'"days": {silent}, "usual_gap": {gap}' if told else f'"days": {silent}'
