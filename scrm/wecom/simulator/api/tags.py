"""Customer tags (WeCom, pages 92117, 92118)."""

from __future__ import annotations

from typing import Any

from scrm.wecom.simulator.api.call import Answer, Call, endpoint
from scrm.wecom.simulator.api.customers import customer_staff, shown_contact
from scrm.wecom.simulator.refusals import Refused
from scrm.wecom.simulator.tags import Tag, TagGroup

LONGEST_NAME = 30
HIGHEST_ORDER = 2**32 - 1
TAGS, TAGS_OF_A_CUSTOMER = 10_000, 3_000


def checked_name(name: Any) -> str:
    if not name or not isinstance(name, str):
        raise Refused(41018)
    if len(name) > LONGEST_NAME:
        raise Refused(40072)
    return name


def checked_order(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= HIGHEST_ORDER:
        raise Refused(40058, "order invalid")
    return value


def shown_tag(tag: Tag, *, asked: bool = False) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": tag.id,
        "name": tag.name,
        "create_time": tag.created_at,
        "order": tag.order,
    }
    return {**shown, "deleted": tag.deleted} if asked else shown


def shown_group(group: TagGroup, tags: list[Tag], *, asked: bool = False) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "group_id": group.id,
        "group_name": group.name,
        "create_time": group.created_at,
        "order": group.order,
        "tag": [shown_tag(tag, asked=asked) for tag in sorted(tags, key=lambda tag: -tag.order)],
    }
    return {**shown, "deleted": group.deleted} if asked else shown


@endpoint("POST", "externalcontact/get_corp_tag_list", tag_group=[])
def tag_list(call: Call) -> Answer:
    """All living ones, or those asked for by id, deleted or not."""
    tag_ids = set(call.texts("tag_id", at_most=TAGS))
    group_ids = set(call.texts("group_id", at_most=TAGS))
    groups = sorted(call.corp.tag_groups.values(), key=lambda group: -group.order)
    if group_ids:
        shown = [shown_group(g, g.tags, asked=True) for g in groups if g.id in group_ids]
    elif tag_ids:
        wanted = [(g, [tag for tag in g.tags if tag.id in tag_ids]) for g in groups]
        shown = [shown_group(g, tags, asked=True) for g, tags in wanted if tags]
    else:
        shown = [shown_group(g, g.living) for g in groups if not g.deleted]
    return {"tag_group": shown}


@endpoint("POST", "externalcontact/add_corp_tag")
def add_corp_tag(call: Call) -> Answer:
    group = group_for(call)
    rows = call.body.get("tag")
    if not rows or not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
        raise Refused(41018)
    wanted = {checked_name(each.get("name")): checked_order(each.get("order", 0)) for each in rows}
    if group is not None and any(tag.name in wanted for tag in group.living):
        raise Refused(40071)
    if len(call.corp.living_tags()) + len(wanted) > TAGS:
        raise Refused(40126)
    name = group.name if group else checked_name(call.body.get("group_name"))
    order = checked_order(call.body.get("order", 0))
    made, fresh = call.corp.make_tags(group, name, order, list(wanted.items()), call.app.agent_id)
    return {"tag_group": shown_group(made, fresh)}


def group_for(call: Call) -> TagGroup | None:
    """The named group; one with the same name takes the tags in; None to make it."""
    if group_id := call.text("group_id"):
        group = call.corp.tag_groups.get(group_id)
        if group is None or group.deleted:
            raise Refused(40068)
        return group
    name = call.text("group_name", missing=41018)
    groups = call.corp.tag_groups.values()
    return next((each for each in groups if each.name == name and not each.deleted), None)


def own(call: Call, group: TagGroup) -> TagGroup:
    """An app changes only what it made itself."""
    if group.agent_id != call.app.agent_id:
        raise Refused(60011)
    return group


@endpoint("POST", "externalcontact/edit_corp_tag")
def edit_corp_tag(call: Call) -> Answer:
    wanted = call.text("id", missing=41017)
    target: Tag | TagGroup
    if (group := call.corp.tag_groups.get(wanted)) is not None and not group.deleted:
        target = own(call, group)
        others = [each for each in call.corp.tag_groups.values() if not each.deleted]
        taken = {each.name for each in others if each.id != wanted}
    elif (found := call.corp.living_tags().get(wanted)) is not None:
        target = found[1]
        taken = {each.name for each in own(call, found[0]).living if each.id != wanted}
    else:
        raise Refused(40068)
    if "name" in call.body:
        if (name := checked_name(call.body["name"])) in taken:
            raise Refused(40071)
        target.name = name
    if "order" in call.body:
        target.order = checked_order(call.body["order"])
    return {}


@endpoint("POST", "externalcontact/del_corp_tag")
def del_corp_tag(call: Call) -> Answer:
    tag_ids = call.texts("tag_id", at_most=TAGS)
    group_ids = call.texts("group_id", at_most=TAGS)
    if not tag_ids and not group_ids:
        raise Refused(41017)
    living = call.corp.living_tags()
    if any(each not in living for each in tag_ids):
        raise Refused(40068)
    if any(each not in call.corp.tag_groups for each in group_ids):
        raise Refused(40068)
    doomed = [living[each] for each in tag_ids]
    doomed += [pair for pair in living.values() if pair[0].id in group_ids]
    for group, _ in doomed:
        own(call, group)
    for _, tag in doomed:
        tag.deleted = True
    return {}


@endpoint("POST", "externalcontact/mark_tag")
def mark_tag(call: Call) -> Answer:
    """With any of the company's tags. No event follows."""
    staff = customer_staff(call, call.text("userid", missing=41009))
    external_userid = call.text("external_userid", missing=41035)
    contact = shown_contact(call, staff.userid, external_userid)
    add = call.texts("add_tag", at_most=TAGS_OF_A_CUSTOMER)
    remove = call.texts("remove_tag", at_most=TAGS_OF_A_CUSTOMER)
    if not add and not remove:
        raise Refused(41017)
    living = call.corp.living_tags()
    if any(each not in living for each in [*add, *remove]):
        raise Refused(40068)
    kept = [each for each in contact.tags if each not in remove]
    tags = list(dict.fromkeys([*kept, *add]))
    if len(tags) > TAGS_OF_A_CUSTOMER:
        raise Refused(40126)
    contact.tags = tags
    return {}
