"""How likely a member is to fall silent, and why: the models and the words; no arithmetic.

The model is a logistic regression on ten features of a member's active days. The shipped one was
fitted with a ridge penalty on the public archive of a chat community (935,415 messages of 5,464
people in eight years): 38 cut-offs over three years, everybody seen on two days or more and last
seen less than 14 days before the cut-off, labelled by whether 28 silent days followed. On 20 later
cut-offs it ranks with an AUC of about 0.85; ranking by days of silence alone gives 0.72. It is the
starting point for every community, until a community has enough history for coefficients of its
own. The features and the sums are in ``churn_scoring``, which loads NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

HORIZON_DAYS = 28  # the probability is about this many days from the cut-off on
RECENT_DAYS = 14  # who was last seen longer ago is not "about to" fall silent any more
MINIMUM_DAYS = 2  # active days that a member must have shown before a rhythm can be told
REASON_COUNT = 3
DAYS_FOR_A_RHYTHM = 5  # fewer give a mean gap that nobody should be told
LEAST_WEIGHT = 0.05  # what moves the log-odds by less is no reason
WEEKS = 26  # how far BG/NBD looks back, in whole weeks before the cut-off


class RiskBand(TextChoices):
    LOW = "low", gettext_lazy("低")
    MEDIUM = "medium", gettext_lazy("中")
    HIGH = "high", gettext_lazy("高")


LOW_BELOW = 0.33
HIGH_ABOVE = 0.66


class Term(NamedTuple):
    """An input of the model: standardised by mean and sd, weighed by its coefficient."""

    name: str
    coefficient: float
    mean: float
    sd: float


class ChurnModel(NamedTuple):
    version: str
    intercept: float
    terms: tuple[Term, ...]

    def parameters(self) -> dict[str, Any]:
        """As JSON; ``churn_model`` reads it back."""
        return {"intercept": self.intercept, "terms": [term._asdict() for term in self.terms]}


def churn_model(version: str, parameters: Mapping[str, Any]) -> ChurnModel:
    terms = tuple(Term(**term) for term in parameters["terms"])
    return ChurnModel(version, parameters["intercept"], terms)


SHIPPED_MODEL = ChurnModel(
    "shipped-1",
    -2.10,
    (
        Term("silence", 0.60, 1.24, 0.897),  # ln(1 + days since the last sign of life)
        Term("active_days", -0.99, 3.863, 1.791),  # ln(1 + active days ever)
        Term("total", 0.24, 5.188, 2.282),  # ln(1 + signs of life ever)
        Term("tenure", 0.07, 5.822, 1.525),  # ln(1 + days since the first sign of life)
        Term("active_days_14", -0.46, 4.198, 3.744),
        Term("active_days_28", 0.21, 7.64, 7.384),
        Term("active_days_112", -0.64, 25.569, 28.998),
        Term("trend", 0.13, 0.701, 1.326),  # ln(1 + total of 28 days) - the same of the 28 before
        Term("usual_gap", -0.04, 2.23, 1.185),  # ln(1 + mean days between active days)
        Term("threads_28", -0.75, 2.123, 1.162),  # ln(1 + sum over days of distinct threads)
    ),
)


def band_of(probability: float) -> RiskBand:
    if probability < LOW_BELOW:
        return RiskBand.LOW
    return RiskBand.HIGH if probability > HIGH_ABOVE else RiskBand.MEDIUM


class ReasonCode(TextChoices):
    """What people can be told: terms of one meaning speak together."""

    SILENCE = "silence", gettext_lazy("沉默时间")
    RECENT_DAYS = "recent_days", gettext_lazy("近两周活跃天数")
    SEASON_DAYS = "season_days", gettext_lazy("近一季活跃天数")
    FEW_TOPICS = "few_topics", gettext_lazy("参与话题少")
    SHORT_HISTORY = "short_history", gettext_lazy("活跃历史短")
    BURST = "burst", gettext_lazy("一时热闹")


#: In the order of the model's terms.
REASON_OF_TERM = (
    ReasonCode.SILENCE,
    ReasonCode.SHORT_HISTORY,
    ReasonCode.SHORT_HISTORY,
    ReasonCode.SHORT_HISTORY,
    ReasonCode.RECENT_DAYS,
    ReasonCode.RECENT_DAYS,
    ReasonCode.SEASON_DAYS,
    ReasonCode.BURST,
    ReasonCode.SILENCE,
    ReasonCode.FEW_TOPICS,
)


def reason_in_words(reason: Mapping[str, object]) -> str:
    """A reason as an operator reads it, in the language of the moment."""
    code, numbers = reason.get("code"), dict(reason)
    if code == ReasonCode.SILENCE and "usual_gap" not in numbers:
        code = "only_silence"
    if not numbers.get("days", 1) or not numbers.get("topics", 1):
        code = f"no_{code}"
    words = {
        "silence": _("已沉默 %(days)s 天，平时每 %(usual_gap)s 天活跃一次"),
        "only_silence": _("已沉默 %(days)s 天"),
        "recent_days": _("近 14 天只活跃 %(days)s 天"),
        "no_recent_days": _("近 14 天没有活跃"),
        "season_days": _("近 112 天只活跃 %(days)s 天"),
        "no_season_days": _("近 112 天没有活跃"),
        "few_topics": _("近 28 天只参与 %(topics)s 个话题"),
        "no_few_topics": _("近 28 天没有参与话题"),
        "short_history": _("至今只活跃过 %(days)s 天"),
        "burst": _("近 28 天互动突增（%(before)s → %(now)s 次），可能只是一时"),
    }
    template = words.get(str(code))
    try:
        return template % numbers if template else str(code)
    except KeyError:  # written by another version
        return str(reason.get("code"))
