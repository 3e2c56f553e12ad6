"""How often the intervals of past forecasts held what happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from campaigns.models import BroadcastForecast
from campaigns.models.forecast import BroadcastForecastQuerySet
from campaigns.rules.forecasts import COMPARED, LEVEL
from scrm.accounts.models import User
from scrm.shared.figures import SMALL_NUMBER

MOST = 1000


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Of one figure: in how many of the forecasts that could be judged what happened lay within
    the interval. ``expected`` of them should."""

    figure: str
    judged: int
    inside: int
    expected: float = LEVEL

    @property
    def share(self) -> float | None:
        return self.inside / self.judged if self.judged else None

    @property
    def is_small(self) -> bool:
        return self.judged < SMALL_NUMBER


def accuracy_of(user: User) -> list[Accuracy]:
    """Of the latest forecasts of runs that are over, as far as this user sees them."""
    return _counted(BroadcastForecast.objects.visible_to(user))


def accuracy_in(enterprise_id: int) -> list[Accuracy]:
    return _counted(BroadcastForecast.objects.filter(broadcast__enterprise=enterprise_id))


def _counted(forecasts: BroadcastForecastQuerySet) -> list[Accuracy]:
    over = forecasts.filter(run__isnull=False, actual__isnull=False).order_by("-pk")
    judged: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    for held in over.values_list("actual__inside", flat=True)[:MOST]:
        for name in COMPARED:
            judged[name] += held.get(name) is not None
            inside[name] += bool(held.get(name))
    return [Accuracy(name, judged[name], inside[name]) for name in COMPARED]
