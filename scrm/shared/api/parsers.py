"""The one way JSON comes in: what a careless parser lets through is refused here, once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import IO, Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.renderers import JSONRenderer

MAX_DEPTH = 32
TRUTH: dict[Any, bool] = {"true": True, "false": False}
MAX_BYTES = 1024 * 1024  # a view that takes more says so in ``max_body_bytes``


class PayloadTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = gettext_lazy("请求正文太大。")
    default_code = "payload_too_large"


class Unacceptable(ValueError):
    """Why one document is refused, before it becomes an HTTP answer."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class StrictJSONParser(BaseParser):
    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        context = parser_context or {}
        if str(context.get("encoding") or "utf-8").lower() not in {"utf-8", "utf8"}:
            raise UnsupportedMediaType(str(media_type), _("正文必须是 UTF-8 编码的 JSON。"))
        limit = getattr(context.get("view"), "max_body_bytes", MAX_BYTES)
        try:
            return strict_json(limited_body(stream, limit, context))
        except Unacceptable as refusal:
            raise ParseError(refusal.message, refusal.code) from refusal


class FormParser(MultiPartParser):
    """A form with files, for views that take them. What is larger than the view's
    ``max_body_bytes`` is refused before any of it is read."""

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        context = parser_context or {}
        limit = getattr(context.get("view"), "max_body_bytes", MAX_BYTES)
        announced = str(context["request"].META.get("CONTENT_LENGTH") or "")
        if announced.isdecimal() and int(announced[:19]) > limit:
            raise PayloadTooLarge(_("请求正文太大，最多 %(limit)d 字节。") % {"limit": limit})
        return super().parse(stream, media_type, parser_context)


def plain_values(data: Any) -> Any:
    """A form as the object that its JSON would be: it knows only text, so ``true`` and ``false``
    are truth values. JSON itself stays as it is."""
    if not isinstance(data, QueryDict):
        return data
    texts: dict[str, Any] = data.dict()
    return {name: TRUTH.get(value, value) for name, value in texts.items()}


def limited_body(stream: IO[bytes], limit: int, context: Mapping[str, Any]) -> bytes:
    message = _("请求正文太大，最多 %(limit)d 字节。") % {"limit": limit}
    request = context.get("request")
    announced = str(request.META.get("CONTENT_LENGTH") or "") if request is not None else ""
    if announced.isdecimal() and int(announced[:19]) > limit:
        raise PayloadTooLarge(message)
    body = stream.read(limit + 1)
    if len(body) > limit:
        raise PayloadTooLarge(message)
    return body


def strict_json(body: bytes | str) -> Any:
    """The document, or ``Unacceptable``: every value in it can be stored and given back."""
    try:
        text = body if isinstance(body, str) else body.decode()
        document = _loaded(text, watched=not _names_can_be_counted(text))
    except Unacceptable:
        raise
    except RecursionError:
        raise too_deep() from None
    except UnicodeDecodeError:
        raise Unacceptable(_("正文必须是 UTF-8 编码。"), "invalid_encoding") from None
    except ValueError as error:
        message = _("JSON 格式有误：%(reason)s") % {"reason": str(error)[:200]}
        raise Unacceptable(message, "invalid_json") from None
    if "\\u" in text:
        check_document(document)
    return document


def _names_can_be_counted(text: str) -> bool:
    """Whether a quotation mark with a colon behind it is the end of a name, nearly always."""
    unusual = ('\\"', " :", "\n:", "\r:", "\t:")
    return not any(each in text for each in unusual)


def _loaded(text: str, *, watched: bool) -> Any:
    """Looking at each object for repeated names costs as much as all the rest, so it is done only
    where there are more ends of names in the text than names in the document."""
    document = json.loads(
        text,
        object_pairs_hook=object_without_duplicates if watched else None,
        parse_float=finite_number,
        parse_constant=refuse_constant,
    )
    names = count_names(document)
    if not watched and names != text.count('":'):
        return _loaded(text, watched=True)
    return document


def count_names(document: object) -> int:
    """How many names the objects in a document have; refuses nesting deeper than ``MAX_DEPTH``."""
    names, level = 0, [document]
    for _depth in range(MAX_DEPTH):
        below: list[Any] = []
        for value in level:
            if type(value) is dict:
                names += len(value)
                inside: Iterable[Any] = value.values()
            elif type(value) is list:
                inside = value
            else:
                continue
            below += [one for one in inside if type(one) is dict or type(one) is list]
        if not below:
            return names
        level = below
    raise too_deep()


def check_document(document: object, *, check_text: bool = True) -> None:
    """Refuse nesting deeper than ``MAX_DEPTH`` and text or numbers that cannot be stored."""
    level: list[Any] = [document]
    for _depth in range(MAX_DEPTH + 1):
        if check_text:
            check_strings(level)
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
                if check_text:
                    check_strings(value)
            elif isinstance(value, list):
                below.extend(value)
        if not any(isinstance(value, dict | list) for value in level):
            return
        level = below
    raise too_deep()


def check_strings(values: Iterable[object]) -> None:
    for value in values:
        if isinstance(value, float) and not math.isfinite(value):
            raise Unacceptable(_("数字超出范围。"), "number_out_of_range")
        if isinstance(value, str) and not is_storable(value):
            message = _("文本含有不能保存的字符（空字符或不完整的 Unicode）。")
            raise Unacceptable(message, "invalid_text")


def is_storable(text: str) -> bool:
    """PostgreSQL keeps neither NUL nor half of a surrogate pair."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _value in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        message = _("同一个对象里“%(name)s”出现了两次。") % {"name": ascii(twice)[1:61]}
        raise Unacceptable(message, "duplicate_key")
    return result


def finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Unacceptable(_("数字超出范围。"), "number_out_of_range")
    return number


def refuse_constant(name: str) -> float:
    message = _("JSON 不允许 %(name)s。") % {"name": name}
    raise Unacceptable(message, "number_out_of_range")


def too_deep() -> Unacceptable:
    message = _("JSON 嵌套太深，最多 %(depth)d 层。") % {"depth": MAX_DEPTH}
    return Unacceptable(message, "json_too_deep")
