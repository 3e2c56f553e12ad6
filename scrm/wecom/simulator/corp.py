"""A company with everything it has."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from scrm.wecom.simulator import leavers, loading
from scrm.wecom.simulator.limits import Limiter
from scrm.wecom.simulator.notices import Notices
from scrm.wecom.simulator.records import App, Department
from scrm.wecom.simulator.refusals import Impossible
from scrm.wecom.simulator.state import TRANSIENT, verb

FIRST_AGENT_ID = 1_000_002


@dataclass(kw_only=True)
class Corp(Notices):
    limiter: Limiter = field(default_factory=Limiter, metadata=TRANSIENT)

    @verb
    def load(self, content: dict[str, Any]) -> dict[str, list[str]]:
        """Fill the company at once and silently: departments, staff, customers and groups."""
        return loading.load(self, content)

    @verb
    def add_busy_staff(self, userid: str, name: str, **figures: int) -> dict[str, list[str]]:
        """Silently somebody with many groups and customers: ``chats``, ``customers``, ``members``
        of each group, ``department``, and for how many ``days`` they have been here."""
        return leavers.add_busy_staff(self, userid, name, **figures)

    @verb
    def refuse_transfers(self, userid: str, count: int) -> list[str]:
        """So many customers say no to being handed over by ``userid``. Returns who they are."""
        return leavers.refuse_transfers(self, userid, count)

    @verb
    def left_behind(self, userid: str) -> dict[str, Any]:
        """What is still somebody's, and what became of what they gave away."""
        return leavers.left_behind(self, userid)

    @verb
    def end_tokens(self, code: int = 40014) -> None:
        """Every token that is out now ends early; using it answers ``code`` (40014 or 42001)."""
        for token in self.tokens.values():
            token.ended_with = code

    @verb
    def add_app(self, name: str = "SCRM", **flags: object) -> App:
        """Another app with its own secret; ``flags`` are the fields of App."""
        agent_id = max((app.agent_id for app in self.apps), default=FIRST_AGENT_ID - 1) + 1
        app = App(agent_id, secrets.token_urlsafe(48)[:43], name)
        for flag, value in flags.items():
            if not hasattr(app, flag):
                raise Impossible(f"应用没有 {flag}")
            setattr(app, flag, value)
        self.apps.append(app)
        return app


def new_corp(corp_id: str, name: str) -> Corp:
    corp = Corp(corp_id=corp_id, name=name)
    corp.add_app()
    corp.departments[1] = Department(1, name, 0, 100_000_000)
    return corp
