"""What newcomers are told: templates that owners bind to their groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scrm.wecom.simulator.mass_messages import MassMessages
from scrm.wecom.simulator.refusals import Impossible
from scrm.wecom.simulator.state import verb

TEMPLATES = 100


@dataclass(slots=True)
class WelcomeTemplate:
    template_id: str
    agent_id: int
    content: dict[str, Any]
    notify: bool


@dataclass(slots=True)
class SentWelcome:
    """What a new contact was sent, and through which app."""

    code: str
    agent_id: int
    userid: str
    external_userid: str
    content: dict[str, Any]
    at: int


@dataclass(kw_only=True)
class Welcoming(MassMessages):
    welcome_templates: dict[str, WelcomeTemplate] = field(default_factory=dict)
    welcomes_sent: list[SentWelcome] = field(default_factory=list)

    @verb
    def bind_welcome(self, chat_id: str, template_id: str) -> None:
        """The owner chooses a template for his group in the client; empty for none."""
        if template_id and template_id not in self.welcome_templates:
            raise Impossible(f"没有入群欢迎语 {template_id}")
        self.group(chat_id).welcome_template = template_id
