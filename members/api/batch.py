"""What the batch endpoints have in common: many items in, an answer for each that was refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers, status
from rest_framework.response import Response

from members.rules.rows import Rejection, is_source
from scrm.shared.api.serializers import StrictSerializer

MAX_ITEMS = 1000


class Item(NamedTuple):
    """An item of a batch that is at least an object with no unknown fields."""

    place: int
    values: tuple[object, ...]


class ItemsField(serializers.Field[list[Any], Any, Any, Any]):
    """Items that are judged one by one later: one bad item does not refuse the others."""

    default_error_messages = {
        "not_a_list": gettext_lazy("应为列表，收到的是 {input_type}。"),
        "too_many": gettext_lazy("一次最多 {max_items} 条，收到 {count} 条。"),
    }

    max_items = MAX_ITEMS

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        if len(data) > self.max_items:
            self.fail("too_many", max_items=self.max_items, count=len(data))
        return data


def items_field(
    item: type[serializers.Serializer[Any]], *, max_items: int = MAX_ITEMS
) -> ItemsField:
    """A list of ``item`` in the documentation; in the flesh it may hold anything."""
    kind: type[ItemsField] = type(f"{item.__name__}s", (ItemsField,), {"max_items": max_items})
    extend_schema_field(item(many=True))(kind)
    return kind(help_text=_("最多 %(count)d 条。") % {"count": max_items})


class SourceField(serializers.CharField):
    default_error_messages = {
        "bad_source": gettext_lazy("只能由字母、数字、点、连字符和下划线组成，最多 40 个字符。"),
    }

    def to_internal_value(self, data: Any) -> str:
        source = super().to_internal_value(data)
        if not is_source(source):
            self.fail("bad_source")
        return source


class ItemErrorSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text=gettext_lazy("第几条，从 0 数起。"))
    code = serializers.CharField(help_text=gettext_lazy("稳定的英文代码，供程序判断。"))
    detail = serializers.CharField(help_text=gettext_lazy("给人看的说明。"))


class BatchResultSerializer(serializers.Serializer[Any]):
    """Accepted, duplicates and rejected (and updated, where there are updates) add up."""

    accepted = serializers.IntegerField(help_text=gettext_lazy("新记下的条数。"))
    duplicates = serializers.IntegerField(help_text=gettext_lazy("早已记下、没有变化的条数。"))
    rejected = serializers.IntegerField(help_text=gettext_lazy("没有收下的条数，逐条见 errors。"))
    errors = ItemErrorSerializer(many=True)  # type: ignore[assignment]  # a field of ours


def sorted_out(
    items: Sequence[object],
    fields: Sequence[str],
    *,
    made: Callable[[Iterable[object]], tuple[object, ...]] = tuple,
) -> tuple[list[Item], list[Rejection]]:
    """The items with the values of their fields in order, and those that are no such items."""
    good: list[Item] = []
    bad: list[Rejection] = []
    known = frozenset(fields)
    for index, item in enumerate(items):
        if type(item) is dict and item.keys() <= known:
            good.append(Item(index, made(map(item.get, fields))))
        elif not isinstance(item, dict):
            bad.append(Rejection(index, "not_an_object", _("必须是一个 JSON 对象。")))
        else:
            unknown = sorted(item.keys() - known)
            words = {"names": "、".join(name[:60] for name in unknown[:10])}
            bad.append(Rejection(index, "unknown_field", _("没有这些字段：%(names)s。") % words))
    return good, bad


def placed_back(good: Sequence[Item], rejects: Sequence[Rejection]) -> Iterator[Rejection]:
    """Refusals that name places among the good items, naming places in the batch."""
    return (Rejection(good[bad.index].place, bad.code, bad.message) for bad in rejects)


def batch_response(counts: dict[str, int], rejects: Sequence[Rejection]) -> Response:
    """207 when the items did not all fare alike, so that nobody overlooks the refused ones."""
    errors = [
        {"index": bad.index, "code": bad.code, "detail": bad.message} for bad in sorted(rejects)
    ]
    code = status.HTTP_207_MULTI_STATUS if errors else status.HTTP_200_OK
    return Response({**counts, "rejected": len(errors), "errors": errors}, status=code)


class BatchSerializer(StrictSerializer):
    """The envelope. A subclass adds ``items``."""

    source = SourceField(  # type: ignore[assignment]  # a field, not the base's option
        max_length=40, help_text=gettext_lazy("数据来自哪个系统；去重按来源分开。")
    )
