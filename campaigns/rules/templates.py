"""Texts with variables: ``{{昵称}}`` is replaced in a single pass, from a list of what is allowed.

Values are data. Whatever a nickname contains comes out as it was typed and is never read as a
variable, and no template engine ever sees a stored text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.utils.translation import gettext as _

from campaigns.errors import BadContent, UnknownVariable, VariableNotForChannel
from campaigns.rules.status import BroadcastTarget

MAX_BYTES = 4000  # what the platform takes in one text, counted in UTF-8

VARIABLE = re.compile(r"\{\{([^{}]*)\}\}")
LEFT_OVER = re.compile(r"\{\{|\}\}")


class Variable(StrEnum):
    NICKNAME = "昵称"
    COMMUNITY = "社群"
    CHAT = "群名"


VARIABLES_OF: dict[str, tuple[Variable, ...]] = {
    BroadcastTarget.MEMBERS: (Variable.NICKNAME, Variable.COMMUNITY),
    BroadcastTarget.CHATS: (Variable.CHAT, Variable.COMMUNITY),
}
WELCOME_VARIABLES = (Variable.NICKNAME, Variable.COMMUNITY, Variable.CHAT)


class CannotRender(Exception):
    """This recipient's text cannot be sent; ``code`` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Template:
    """A text cut at its variables: literal, variable's name, literal, … literal."""

    pieces: tuple[str, ...]
    variables: tuple[Variable, ...]

    def render(self, values: Mapping[Variable, str]) -> str:
        pieces = list(self.pieces)
        pieces[1::2] = [values[variable] for variable in self.variables]
        text = "".join(pieces)
        if not text.strip():
            raise CannotRender("render_empty")
        if len(text) * 4 > MAX_BYTES and len(text.encode()) > MAX_BYTES:
            raise CannotRender("render_too_long")
        return text


def parse_template(text: str, *, allowed: tuple[Variable, ...]) -> Template:
    """Cut a text at its variables, or say what is wrong with it."""
    pieces = VARIABLE.split(text)
    literals, names = pieces[0::2], [name.strip() for name in pieces[1::2]]
    known = {variable.value: variable for variable in allowed}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UnknownVariable(
            _("没有变量 %(unknown)s，可用：%(known)s。")
            % {
                "unknown": "、".join(_shown(name) for name in dict.fromkeys(unknown)),
                "known": "、".join(_shown(name) for name in known),
            },
            details={"unknown": unknown, "known": list(known)},
        )
    if any(LEFT_OVER.search(literal) for literal in literals):
        raise BadContent(_("花括号不成对；变量请写成 {{昵称}} 的形式。"))
    return Template(tuple(pieces), tuple(known[name] for name in names))


def clean_text(text: str, *, allowed: tuple[Variable, ...]) -> str:
    """The text as it will be kept: checked, with plain line ends and no blanks around it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        raise BadContent(_("内容不能为空。"))
    if any(_is_unsendable(char) for char in text):
        raise BadContent(_("内容里有无法发送的控制字符，请删掉后重新输入。"))
    size = len(text.encode())
    if size > MAX_BYTES:
        raise BadContent(
            _("内容有 %(size)d 字节，最多 %(limit)d 字节（一个汉字 3 字节）。")
            % {"size": size, "limit": MAX_BYTES}
        )
    parse_template(text, allowed=allowed)
    return text


def refuse_differing(text: str, *, target: str, is_one_community: bool) -> None:
    """On a channel whose calls carry one text, only the name of a single community can be filled
    in."""
    template = parse_template(text, allowed=VARIABLES_OF[target])
    usable = {Variable.COMMUNITY} if is_one_community else set()
    differing = [name for name in dict.fromkeys(template.variables) if name not in usable]
    if differing:
        raise VariableNotForChannel(
            _("企业微信群发的每个任务只有一段文案，不能用 %(names)s；只发一个社群时可用 {{社群}}。")
            % {"names": "、".join(_shown(name.value) for name in differing)},
            details={"variables": [name.value for name in differing]},
        )


def _is_unsendable(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cs"} and char not in "\n\t"


def _shown(name: str) -> str:
    printable = "".join(char if char.isprintable() else "?" for char in name[:40])
    return "{{" + printable + "}}"
