"""App messages to staff and their sensitive words (WeCom, pages 90236, 95097, 95130)."""

from __future__ import annotations

from typing import Any

from scrm.wecom.simulator.api.call import Answer, Call, endpoint
from scrm.wecom.simulator.notices import InterceptRule
from scrm.wecom.simulator.refusals import Refused

USERS, PARTIES = 1000, 100
LONGEST_TEXT, LONGEST_TITLE, LONGEST_DESCRIPTION = 2048, 128, 512
MSGTYPES = {
    "text", "image", "voice", "video", "file", "textcard", "news", "mpnews", "markdown",
    "miniprogram_notice", "template_card",
}  # fmt: skip
LONGEST_INTERVAL = 4 * 3600
RULES, WORDS, PEOPLE = 100, 300, 1000


# --- App messages -------------------------------------------------------------------------------


@endpoint("POST", "message/send", invaliduser="", invalidparty="", invalidtag="")
def message_send(call: Call) -> Answer:
    if "agentid" not in call.body:
        raise Refused(41011)
    if call.number("agentid") != call.app.agent_id:
        raise Refused(301002)
    msgtype = call.text("msgtype", missing=40008)
    content = checked_content(call, msgtype)
    users, invalid, parties = receivers(call)
    if not users:
        raise Refused(81013, invaliduser="|".join(invalid), invalidparty="|".join(parties))
    interval = call.number("duplicate_check_interval", 1800)
    again = interval if call.flag("enable_duplicate_check", False) else 0
    sent = call.corp.deliver_app_message(
        call.app.agent_id, users, msgtype, content, min(again, LONGEST_INTERVAL)
    )
    return {
        "invaliduser": "|".join(invalid),
        "invalidparty": "|".join(parties),
        "invalidtag": "",
        "unlicenseduser": "",
        "msgid": sent.msgid,
    }


def checked_content(call: Call, msgtype: str) -> dict[str, Any]:
    if msgtype not in MSGTYPES:
        raise Refused(40008)
    content = call.object(msgtype)
    if content is None:
        raise Refused(44004)
    if msgtype in {"text", "markdown"}:
        check_bytes(content.get("content"), LONGEST_TEXT)
    elif msgtype == "textcard":
        check_bytes(content.get("title"), LONGEST_TITLE)
        check_bytes(content.get("description"), LONGEST_DESCRIPTION)
        if not content.get("url"):
            raise Refused(40063, "url missing")
    elif msgtype == "news" and not 1 <= len(content.get("articles") or []) <= 8:
        raise Refused(40058, "articles size out of range")
    elif msgtype in {"image", "voice", "video", "file"}:
        media_id = content.get("media_id")
        if not media_id or call.corp.good_media(str(media_id), msgtype) is None:
            raise Refused(40007)
    return content


def check_bytes(value: Any, longest: int) -> None:
    if not value or not isinstance(value, str):
        raise Refused(44004)
    if len(value.encode()) > longest:
        raise Refused(45002)


def receivers(call: Call) -> tuple[list[str], list[str], list[str]]:
    """Who gets it, whom the platform does not know (in lower case), and unknown departments."""
    visible = [
        staff
        for staff in call.corp.everybody
        if not staff.resigned and staff.status == 1 and call.corp.is_visible(staff, call.app)
    ]
    touser = call.text("touser")
    parties = [each for each in call.text("toparty").split("|") if each]
    named = [each for each in touser.split("|") if each]
    if not named and not parties and not call.text("totag"):
        raise Refused(82001, "touser, toparty and totag are all empty")
    if len(named) > USERS or len(parties) > PARTIES:
        raise Refused(40032)
    if touser == "@all":
        return [staff.userid for staff in visible], [], []
    by_id = {staff.userid.lower(): staff.userid for staff in visible}
    reached = [by_id[each.lower()] for each in named if each.lower() in by_id]
    reached += [
        staff.userid
        for staff in visible
        if any(str(department) in parties for department in staff.departments)
    ]
    invalid = [each.lower() for each in named if each.lower() not in by_id]
    known = {str(each) for each in call.corp.visible_departments(call.app)}
    unknown = [each for each in parties if each not in known]
    failing = call.failing_items(len(reached))
    invalid += [each.lower() for index, each in enumerate(reached) if index in failing]
    kept = [each for index, each in enumerate(reached) if index not in failing]
    return list(dict.fromkeys(kept)), invalid, unknown


@endpoint("POST", "message/recall")
def message_recall(call: Call) -> Answer:
    message = call.corp.recallable(call.text("msgid", missing=40058), call.app.agent_id)
    if message is None:
        raise Refused(42052, "message can not be recalled")
    message.recalled = True
    return {}


# --- Sensitive words ----------------------------------------------------------------------------


def rule_of(call: Call) -> InterceptRule:
    rule = call.corp.intercept_rules.get(call.text("rule_id", missing=41070))
    if rule is None:
        raise Refused(41070)
    if rule.deleted:
        raise Refused(41071)
    return rule


def living(call: Call) -> list[InterceptRule]:
    return [each for each in call.corp.intercept_rules.values() if not each.deleted]


def checked_rule_name(call: Call, own: InterceptRule | None) -> str:
    name = call.text("rule_name", missing=40058)
    if len(name) > 20:
        raise Refused(40058, "rule_name too long")
    if any(each.rule_name == name for each in living(call) if each is not own):
        raise Refused(41077)
    return name


def checked_words(call: Call) -> list[str]:
    words = call.body.get("word_list") or []
    if not isinstance(words, list) or len(words) > WORDS:
        raise Refused(41068)
    if not all(isinstance(each, str) and 1 <= len(each) <= 32 for each in words):
        raise Refused(41083)
    return words


def checked_semantics(values: Any) -> list[int]:
    given = values or []
    if not isinstance(given, list) or not set(given) <= {1, 2, 3}:
        raise Refused(41084)
    return given


def checked_type(call: Call) -> int:
    kind = call.number("intercept_type")
    if kind not in {1, 2}:
        raise Refused(40058, "intercept_type invalid")
    return kind


def checked_range(call: Call, name: str) -> tuple[list[str], list[int]]:
    given = call.object(name) or {}
    users, departments = given.get("user_list") or [], given.get("department_list") or []
    if len(users) > PEOPLE or len(departments) > PEOPLE:
        raise Refused(41076)
    if any(call.corp.find_staff(str(each)) is None for each in users):
        raise Refused(40003)
    if any(each not in call.corp.departments for each in departments):
        raise Refused(40066)
    return [call.corp.somebody(each).userid for each in users], departments


@endpoint("POST", "externalcontact/add_intercept_rule")
def add_intercept_rule(call: Call) -> Answer:
    if len(living(call)) >= RULES:
        raise Refused(41069)
    name, words = checked_rule_name(call, None), checked_words(call)
    semantics = checked_semantics(call.body.get("semantics_list"))
    if not words and not semantics:
        raise Refused(40063)
    users, departments = checked_range(call, "applicable_range")
    if not users and not departments:
        raise Refused(40063, "applicable_range is empty")
    rule_id, now = call.corp.new_id("rule"), call.corp.clock.second()
    call.corp.intercept_rules[rule_id] = InterceptRule(
        rule_id, name, words, semantics, checked_type(call), users, departments, now
    )
    return {"rule_id": rule_id}


@endpoint("GET", "externalcontact/get_intercept_rule_list", rule_list=[])
def intercept_rule_list(call: Call) -> Answer:
    return {
        "rule_list": [
            {
                "rule_id": each.rule_id,
                "rule_name": each.rule_name,
                "create_time": each.created_at,
            }
            for each in living(call)
        ]
    }


@endpoint("POST", "externalcontact/get_intercept_rule")
def get_intercept_rule(call: Call) -> Answer:
    rule = rule_of(call)
    return {
        "rule": {
            "rule_id": rule.rule_id,
            "rule_name": rule.rule_name,
            "word_list": rule.word_list,
            "extra_rule": {"semantics_list": rule.semantics_list},
            "intercept_type": rule.intercept_type,
            "applicable_range": {"user_list": rule.users, "department_list": rule.departments},
        }
    }


@endpoint("POST", "externalcontact/update_intercept_rule")
def update_intercept_rule(call: Call) -> Answer:
    """Lists that are given replace; the range grows and shrinks."""
    rule = rule_of(call)
    changes: dict[str, Any] = {}
    if "rule_name" in call.body:
        changes["rule_name"] = checked_rule_name(call, rule)
    if "word_list" in call.body:
        changes["word_list"] = checked_words(call)
    if extra := call.object("extra_rule"):
        changes["semantics_list"] = checked_semantics(extra.get("semantics_list"))
    if "intercept_type" in call.body:
        changes["intercept_type"] = checked_type(call)
    more, less = (
        checked_range(call, "add_applicable_range"),
        checked_range(call, "remove_applicable_range"),
    )
    changes["users"] = [u for u in dict.fromkeys([*rule.users, *more[0]]) if u not in less[0]]
    changes["departments"] = [
        each for each in dict.fromkeys([*rule.departments, *more[1]]) if each not in less[1]
    ]
    for name, value in changes.items():
        setattr(rule, name, value)
    return {}


@endpoint("POST", "externalcontact/del_intercept_rule")
def del_intercept_rule(call: Call) -> Answer:
    rule_of(call).deleted = True
    return {}
