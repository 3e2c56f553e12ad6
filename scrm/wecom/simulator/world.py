"""Everything that the simulator knows: any number of companies, in one process."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from scrm.wecom.simulator import keeping
from scrm.wecom.simulator.corp import Corp, new_corp
from scrm.wecom.simulator.records import App, Token
from scrm.wecom.simulator.refusals import Impossible


@dataclass
class World:
    """``mode`` of new companies' outboxes: send or hold."""

    mode: str = "send"
    corps: dict[str, Corp] = field(default_factory=dict)

    def create_corp(self, name: str, *, corp_id: str = "") -> Corp:
        new_id = corp_id or f"ww{secrets.token_hex(8)}"
        if new_id in self.corps:
            raise Impossible(f"企业 {new_id} 已存在")
        corp = new_corp(new_id, name)
        corp.outbox.mode = self.mode
        self.corps = {**self.corps, new_id: corp}  # whoever goes through them goes on
        return corp

    @property
    def changes(self) -> int:
        """Grows with everything that happens; equal numbers mean that nothing did."""
        return len(self.corps) + sum(corp.changes for corp in self.corps.values())

    def as_json(self) -> str:
        """One company at a time: each stands still while it is written down."""
        return keeping.json_of(self)

    def save(self, path: Path) -> None:
        keeping.write(self.as_json(), path)

    @classmethod
    def load(cls, path: Path) -> World:
        return keeping.load(cls, path)

    def wake_up(self) -> None:
        """Let the companies post what still waited when the world was written down."""
        for corp in self.corps.values():
            corp.outbox.start()

    def close(self) -> None:
        """End the threads that post callbacks."""
        for corp in self.corps.values():
            corp.outbox.close()

    def holder_of(self, token: str) -> tuple[Corp, App, Token] | None:
        """Whose access token this is, good or not."""
        for corp in self.corps.values():
            if (found := corp.tokens.get(token)) is not None:
                app = next(each for each in corp.apps if each.agent_id == found.agent_id)
                return corp, app, found
        return None
