"""A criterion over whoever a broadcast goes to: members or group chats."""

from __future__ import annotations

from typing import Any

from communities.api.fields import CriterionField
from scrm.shared.criteria import CHAT_METRICS, METRICS, MetricRegistry


class AudienceCriterionField(CriterionField):
    """Says of which it is by what it speaks of; the verb refuses one that does not fit."""

    def registry_for(self, data: Any) -> MetricRegistry:
        return CHAT_METRICS if any(CHAT_METRICS.get(name) for name in metrics_in(data)) else METRICS


def metrics_in(data: Any) -> list[str]:
    """The names of metrics in a raw tree, however deep: depth is limited by the parser."""
    found, waiting = [], [data]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if isinstance(part.get("metric"), str):
                found.append(part["metric"])
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return found
