"""Rules about what staff may not write to customers. No event tells of a hit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scrm.wecom.client.apis import acting, reading, setting
from scrm.wecom.client.arguments import among, at_most, characters, identity, one_of_both
from scrm.wecom.client.calls import Calls
from scrm.wecom.client.parsing import many, parse
from scrm.wecom.client.results import InterceptRule, InterceptRuleListing
from scrm.wecom.rules import limits

LIST = reading("externalcontact/get_intercept_rule_list", method="GET")
GET = reading("externalcontact/get_intercept_rule")
ADD = acting("externalcontact/add_intercept_rule")
UPDATE = setting("externalcontact/update_intercept_rule")
DELETE = setting("externalcontact/del_intercept_rule")


class InterceptRules(Calls):
    def intercept_rules(self) -> tuple[InterceptRuleListing, ...]:
        return many(InterceptRuleListing)(self.ask(LIST).get("rule_list"))

    def intercept_rule(self, rule_id: str) -> InterceptRule:
        answer = self.ask(GET, {"rule_id": identity("rule_id", rule_id)})
        return parse(InterceptRule, self.required(GET, answer, "rule", dict))

    def add_intercept_rule(
        self,
        *,
        name: str,
        words: Iterable[str] = (),
        semantics: Iterable[int] = (),
        intercept_type: int = 1,
        userids: Iterable[str] = (),
        department_ids: Iterable[int] = (),
    ) -> str:
        """The new rule's id. Names are unique; at most 100 rules."""
        among("intercept_type", intercept_type, (1, 2))
        return self.new_id(
            ADD,
            self.ask(
                ADD,
                {
                    "rule_name": rule_name(name),
                    "word_list": rule_words(words),
                    "semantics_list": list(semantics),
                    "intercept_type": intercept_type,
                    "applicable_range": staff_range(userids, department_ids, needed=True),
                },
            ),
            "rule_id",
        )

    def update_intercept_rule(
        self,
        rule_id: str,
        *,
        name: str | None = None,
        words: Iterable[str] | None = None,
        semantics: Iterable[int] | None = None,
        intercept_type: int | None = None,
        add_userids: Iterable[str] = (),
        add_department_ids: Iterable[int] = (),
        remove_userids: Iterable[str] = (),
        remove_department_ids: Iterable[int] = (),
    ) -> None:
        """``None`` leaves a field as it is; lists that are given replace the former ones."""
        body: dict[str, Any] = {"rule_id": identity("rule_id", rule_id)}
        if name is not None:
            body["rule_name"] = rule_name(name)
        if words is not None:
            body["word_list"] = rule_words(words)
        if semantics is not None:
            body["extra_rule"] = {"semantics_list": list(semantics)}
        if intercept_type is not None:
            among("intercept_type", intercept_type, (1, 2))
            body["intercept_type"] = intercept_type
        if added := staff_range(add_userids, add_department_ids):
            body["add_applicable_range"] = added
        if removed := staff_range(remove_userids, remove_department_ids):
            body["remove_applicable_range"] = removed
        self.ask(UPDATE, body)

    def delete_intercept_rule(self, rule_id: str) -> None:
        self.ask(DELETE, {"rule_id": identity("rule_id", rule_id)})


def rule_name(name: str) -> str:
    return characters("name", name, least=1, most=limits.MAX_RULE_NAME)


def rule_words(words: Iterable[str]) -> list[str]:
    return [
        characters("words", word, least=1, most=limits.MAX_RULE_WORD)
        for word in at_most("words", words, most=limits.MAX_RULE_WORDS)
    ]


def staff_range(
    userids: Iterable[str], department_ids: Iterable[int], *, needed: bool = False
) -> dict[str, list[str] | list[int]]:
    users = at_most("userids", userids, most=limits.MAX_RULE_RANGE)
    departments = at_most("department_ids", map(str, department_ids), most=limits.MAX_RULE_RANGE)
    if needed:
        one_of_both("userids, department_ids", users, departments)
    found: dict[str, list[str] | list[int]] = {}
    if users:
        found["user_list"] = users
    if departments:
        found["department_list"] = [int(each) for each in departments]
    return found
