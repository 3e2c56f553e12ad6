"""Sensitive words of staff, and what apps write to staff."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scrm.wecom.simulator.clock import DAY
from scrm.wecom.simulator.join_ways import JoinWays

A_MINUTE, AN_HOUR = 30, 1000
MESSAGES_KEPT = 1000


@dataclass(slots=True)
class InterceptRule:
    rule_id: str
    rule_name: str
    word_list: list[str]
    semantics_list: list[int]
    intercept_type: int
    users: list[str]
    departments: list[int]
    created_at: int
    deleted: bool = False


@dataclass(slots=True)
class AppMessage:
    """``users`` really got it; over his limit somebody gets nothing and nobody is told."""

    msgid: str
    agent_id: int
    at: int
    users: list[str]
    msgtype: str
    content: dict[str, Any]
    recalled: bool = False


@dataclass(kw_only=True)
class Notices(JoinWays):
    intercept_rules: dict[str, InterceptRule] = field(default_factory=dict)
    app_messages: list[AppMessage] = field(default_factory=list)

    def deliver_app_message(
        self, agent_id: int, users: list[str], msgtype: str, content: dict[str, Any], again: int
    ) -> AppMessage:
        """``again``: seconds in which the same message is not delivered a second time; 0: it is."""
        now = self.clock.second()
        same = any(
            each.agent_id == agent_id and each.content == content and each.at > now - again
            for each in self.app_messages
        )
        reached = [] if same else [each for each in users if self._may_get_more(each, now)]
        message = AppMessage(self.new_id("m"), agent_id, now, reached, msgtype, content)
        self.app_messages = [*self.app_messages[-MESSAGES_KEPT:], message]
        return message

    def _may_get_more(self, userid: str, now: int) -> bool:
        got = [each.at for each in self.app_messages if userid in each.users]
        minute = sum(at > now - 60 for at in got)
        return minute < A_MINUTE and sum(at > now - 3600 for at in got) < AN_HOUR

    def recallable(self, msgid: str, agent_id: int) -> AppMessage | None:
        since = self.clock.second() - DAY
        for each in self.app_messages:
            if each.msgid == msgid and each.agent_id == agent_id and each.at > since:
                return each
        return None
