"""The figures of a community. Apps above register theirs: who is active, what is bought, how much
of what is said is advertising."""

from __future__ import annotations

from communities.models import Community
from scrm.shared.figures import FigureRegistry

COMMUNITY_METRICS: FigureRegistry[Community] = FigureRegistry()
