"""Everything that the simulator knows: any number of companies, in one process."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

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
        self.corps[new_id] = corp
        return corp

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
