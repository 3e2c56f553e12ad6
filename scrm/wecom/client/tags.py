"""The company's library of customer tags. An app may change only the tags it made itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scrm.wecom.client.apis import acting, reading, setting
from scrm.wecom.client.arguments import characters, identity, one_of_both
from scrm.wecom.client.calls import Calls
from scrm.wecom.client.errors import InvalidArguments
from scrm.wecom.client.parsing import many, parse
from scrm.wecom.client.results import TagGroup
from scrm.wecom.rules import limits

LIST = reading("externalcontact/get_corp_tag_list")
ADD = acting("externalcontact/add_corp_tag")
EDIT = setting("externalcontact/edit_corp_tag")
DELETE = setting("externalcontact/del_corp_tag")


class Tags(Calls):
    def tag_groups(
        self, *, tag_ids: Iterable[str] = (), group_ids: Iterable[str] = ()
    ) -> tuple[TagGroup, ...]:
        """All of them, or those asked for: only these tell what is deleted."""
        wanted = {"tag_id": list(tag_ids), "group_id": list(group_ids)}
        answer = self.ask(LIST, {key: ids for key, ids in wanted.items() if ids})
        return many(TagGroup)(answer.get("tag_group"))

    def add_tags(
        self, names: Iterable[str], *, group_id: str = "", group_name: str = ""
    ) -> TagGroup:
        """The group with its **new** tags. A group name that exists takes them in."""
        one_of_both("group_id, group_name", group_id, group_name)
        tags = [{"name": tag_name("names", each)} for each in names]
        if not tags:
            raise InvalidArguments("names", "needs at least one value")
        group = (
            {"group_id": identity("group_id", group_id)}
            if group_id
            else {"group_name": tag_name("group_name", group_name)}
        )
        answer = self.ask(ADD, {**group, "tag": tags})
        return parse(TagGroup, self.required(ADD, answer, "tag_group", dict))

    def edit_tag(self, tag_id: str, *, name: str = "", order: int | None = None) -> None:
        """Of a tag or a group of tags. ``order``: larger first."""
        one_of_both("name, order", name, order is not None)
        body: dict[str, Any] = {"id": identity("tag_id", tag_id)}
        if name:
            body["name"] = tag_name("name", name)
        if order is not None:
            body["order"] = order
        self.ask(EDIT, body)

    def delete_tags(self, *, tag_ids: Iterable[str] = (), group_ids: Iterable[str] = ()) -> None:
        """A group whose last tag goes, goes too."""
        wanted = {"tag_id": list(tag_ids), "group_id": list(group_ids)}
        one_of_both("tag_ids, group_ids", *wanted.values())
        self.ask(DELETE, {key: ids for key, ids in wanted.items() if ids})


def tag_name(field: str, value: str) -> str:
    return characters(field, value, least=1, most=limits.MAX_TAG_NAME)
