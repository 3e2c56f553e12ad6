"""How often an API may be called: per company and API, as the platform counts."""

from __future__ import annotations

from dataclasses import dataclass, field

MINUTE, HOUR = 60, 3600


@dataclass(slots=True)
class Window:
    started_at: float = 0.0
    count: int = 0
    blocked_until: float = 0.0

    def refuses(self, now: float, length: int, limit: int) -> bool:
        """Count one call. The one over the limit begins a block that lasts as long again."""
        if now < self.blocked_until:
            return True
        if now >= self.started_at + length or now < self.started_at:
            self.started_at, self.count = now, 0
        self.count += 1
        if self.count > limit:
            self.blocked_until = now + length
            return True
        return False


@dataclass(slots=True)
class Limiter:
    """``flying`` counts the calls under way, by API and by what they write to."""

    minutes: dict[str, Window] = field(default_factory=dict)
    hours: dict[str, Window] = field(default_factory=dict)
    flying: dict[str, int] = field(default_factory=dict)

    def refuses(self, api: str, now: float, per_minute: int, per_hour: int) -> bool:
        minute = self.minutes.setdefault(api, Window()).refuses(now, MINUTE, per_minute)
        return self.hours.setdefault(api, Window()).refuses(now, HOUR, per_hour) or minute

    def enter(self, name: str) -> int:
        """How many of these are under way now, with this one."""
        self.flying[name] = self.flying.get(name, 0) + 1
        return self.flying[name]

    def leave(self, name: str) -> None:
        self.flying[name] -= 1
        if not self.flying[name]:
            del self.flying[name]
