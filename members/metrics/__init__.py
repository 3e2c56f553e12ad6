"""What can be measured about a member, by noun. Apps above add theirs by ``register_measure``."""

from members.metrics import activity, belonging, purchases, standing, values
from members.metrics.chats import register_chat_metrics
from members.metrics.measures import (
    MEASURES,
    Fact,
    Measure,
    Moment,
    NamedCriterion,
    Source,
    coded,
    holding,
    holds,
    lacking,
    register_measure,
)
from members.metrics.purchases import CURRENCY

__all__ = [
    "CURRENCY",
    "MEASURES",
    "Fact",
    "Measure",
    "Moment",
    "NamedCriterion",
    "Source",
    "coded",
    "holding",
    "holds",
    "lacking",
    "register_measure",
    "register_metrics",
]


def register_metrics() -> None:
    """Make the metrics of members and of chats known to the criterion language."""
    for noun in (purchases, activity, belonging, standing, values):
        for measure in noun.MEASURES:
            register_measure(measure)
    register_chat_metrics()
