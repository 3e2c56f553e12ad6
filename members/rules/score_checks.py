"""How right probabilities were, once the truth is known. Needs NumPy.

Figures of one cut or of several: ``auc`` (Hanley and McNeil 1982), ``brier`` (Brier 1950), ``ece``
(expected calibration error over ten bins of equal width; Naeini, Cooper and Hauskrecht 2015),
``base_rate``, ``bins`` [{from, to, n, mean_p, rate}], ``at_10`` and ``at_20`` {n, hits, precision,
recall, lift} of the 10 % and 20 % most at risk, ``silence_at_10`` and ``silence_at_20`` the same
of those longest silent, and ``notice_days`` {median, n}: how long before their silence would be
declared those among the 20 % were named who then fell silent.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from members.rules.churn import HORIZON_DAYS

type Numbers = np.ndarray[Any, Any]
type Figures = dict[str, Any]

BINS = 10
BUDGETS = {"at_10": 0.1, "at_20": 0.2}
WATCHED_FROM, WATCHED_TO = -27, 14  # days around the last active day: 14 days of notice or more
CONFIRMED_FROM, CONFIRMED_TO = 14, 56  # days after a warning in which the silence is declared
LONG_SILENCE = 90  # days; who is silent for longer has left for good


def figures_of(probability: Numbers, silence: Numbers, fell_silent: Numbers) -> Figures:
    """``silence``: days since the last sign of life at the cut; ``fell_silent``: the truth."""
    p, days, truth = np.asarray(probability), np.asarray(silence), np.asarray(fell_silent, bool)
    figures: Figures = {
        "auc": _rounded(auc(p, truth)),
        "silence_auc": _rounded(auc(days, truth)),
        "brier": _rounded(brier(p, truth)),
        "base_rate": _rounded(float(truth.mean()) if len(truth) else None),
        "bins": bins(p, truth),
    }
    figures["ece"] = _rounded(ece(figures["bins"]))
    for name, share in BUDGETS.items():
        figures[name] = at_budget(p, truth, share)
        figures[f"silence_{name}"] = at_budget(days, truth, share)
    figures["notice_days"] = _notice(p, days, truth)
    return figures


def warning_figures(
    flagged: Numbers, ends: Numbers, *, runs: tuple[int, int], until: int
) -> Figures:
    """How early and how rightly a series of runs warned.

    ``flagged``: (member, day of the run) of every warning, ``runs``: the first and the last run;
    silences that they could not watch all the time are left out of what was caught. ``ends``:
    (member, last active day, how many silent days followed) of every silence of at least the
    horizon. A silence is caught when a run between 27 days before and 14 days after the last
    active day named the member, so at least 14 days before it was declared; ``notice_days`` is
    the median from the first such run to that declaration, ``on_or_before`` the share named on
    the last active day or earlier, and ``precision`` the share of warnings followed by a declared
    silence 14 to 56 days later, of those of which that is known on the day ``until``.
    """
    days_of = _days_by_member(flagged)
    declared_of = _days_by_member(ends[:, :2] + np.array([0, HORIZON_DAYS]))
    notices, long_ones, early = [], [], 0
    watched = (ends[:, 1] + WATCHED_FROM >= runs[0]) & (ends[:, 1] + WATCHED_TO <= runs[1])
    for member, last_day, silent_days in ends[watched].tolist():
        first = _first_within(days_of.get(member), last_day + WATCHED_FROM, last_day + WATCHED_TO)
        notices.append(None if first is None else last_day + HORIZON_DAYS - first)
        early += first is not None and first <= last_day
        if silent_days > LONG_SILENCE:
            long_ones.append(first is not None)
    right = [
        _first_within(declared_of.get(member), day + CONFIRMED_FROM, day + CONFIRMED_TO) is not None
        for member, day in flagged.tolist()
        if day + CONFIRMED_TO <= until
    ]
    caught = [notice for notice in notices if notice is not None]
    return {
        "silences": len(notices),
        "caught": _rounded(len(caught) / len(notices)) if notices else None,
        "long_silences": len(long_ones),
        "long_caught": _rounded(sum(long_ones) / len(long_ones)) if long_ones else None,
        "notice_days": float(np.median(caught)) if caught else None,
        "on_or_before": _rounded(early / len(notices)) if notices else None,
        "warnings": len(right),
        "precision": _rounded(sum(right) / len(right)) if right else None,
    }


def _days_by_member(rows: Numbers) -> dict[int, Numbers]:
    """The sorted days of each member, of rows (member, day)."""
    if not len(rows):
        return {}
    ordered = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    members, starts = np.unique(ordered[:, 0], return_index=True)
    days = np.split(ordered[:, 1], starts[1:])
    return dict(zip(members.tolist(), days, strict=True))


def _first_within(days: Numbers | None, since: int, until: int) -> int | None:
    if days is None:
        return None
    place = int(np.searchsorted(days, since))
    return int(days[place]) if place < len(days) and days[place] <= until else None


def most_at_risk(probability: Numbers, share: float) -> Numbers:
    """The places of the share of all with the highest probability."""
    n = int(np.ceil(share * len(probability)))
    return np.argsort(-np.asarray(probability), kind="stable")[:n]


def auc(rank: Numbers, truth: Numbers) -> float | None:
    """The chance that one who fell silent was ranked above one who did not; ties count half."""
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return None
    _values, places, counts = np.unique(rank, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def brier(p: Numbers, truth: Numbers) -> float | None:
    return float(((p - truth) ** 2).mean()) if len(truth) else None


def bins(p: Numbers, truth: Numbers) -> list[dict[str, Any]]:
    """Ten of equal width; of an empty one neither the mean nor the rate is known."""
    places = np.minimum((p * BINS).astype(int), BINS - 1)
    found = []
    for place in range(BINS):
        mine = places == place
        n = int(mine.sum())
        found.append(
            {
                "from": place / BINS,
                "to": (place + 1) / BINS,
                "n": n,
                "mean_p": _rounded(float(p[mine].mean())) if n else None,
                "rate": _rounded(float(truth[mine].mean())) if n else None,
            }
        )
    return found


def ece(found: list[dict[str, Any]]) -> float | None:
    """How far what was said lies from what happened, over the bins, weighed by their size."""
    total = sum(each["n"] for each in found)
    if not total:
        return None
    return float(
        sum(each["n"] * abs(each["mean_p"] - each["rate"]) for each in found if each["n"]) / total
    )


def at_budget(rank: Numbers, truth: Numbers, share: float) -> dict[str, Any]:
    """Of the most at risk, as many as the share: how many of them fell silent, and how many of all
    who did. Where the limit falls into a tie, the tie counts by its average."""
    n = int(np.ceil(share * len(truth)))
    hits = _expected_hits(rank, truth, n)
    positives = int(truth.sum())
    precision = hits / n if n else None
    base = positives / len(truth) if len(truth) else 0
    return {
        "n": n,
        "hits": round(hits, 2),
        "precision": _rounded(precision),
        "recall": _rounded(hits / positives if positives else None),
        "lift": _rounded(precision / base if precision is not None and base else None),
    }


def _expected_hits(rank: Numbers, truth: Numbers, n: int) -> float:
    if not n:
        return 0.0
    limit = np.partition(rank, -n)[-n]
    above, tied = rank > limit, rank == limit
    left = n - int(above.sum())
    return float(truth[above].sum() + left * truth[tied].mean())


def _notice(p: Numbers, days: Numbers, truth: Numbers) -> dict[str, Any]:
    named = most_at_risk(p, BUDGETS["at_20"])
    notice = (HORIZON_DAYS - days)[named][truth[named]]
    return {"median": float(np.median(notice)) if len(notice) else None, "n": len(notice)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
