"""The criterion language: conditions over measured facts, as JSON that can be checked.

A criterion is a tree of ``{"all": [...]}``, ``{"any": [...]}``, ``{"not": ...}`` and clauses like
``{"metric": "purchase_count", "op": "gte", "value": 3, "window_days": 90}``. The empty object
means "no threshold" and is always met. This module knows the language and the registry of
metrics; what a metric measures, and how, is the business of the app that registers it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from scrm.shared.errors import DomainError

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

MAX_DEPTH = 6
MAX_CLAUSES = 50
MAX_ERRORS = 100
MAX_WINDOW_DAYS = 3660
MAX_NUMBER = 10**15
MAX_DAYS = 36_500
MAX_RANK = 32_767
MAX_TEXT = 120

type Value = int | str
type Words = str | StrPromise


class Operator(StrEnum):
    GTE = "gte"
    GT = "gt"
    LTE = "lte"
    LT = "lt"
    EQ = "eq"
    IS = "is"
    IS_NOT = "is_not"


class ValueType(StrEnum):
    """What a clause compares with. The upper half are numbers, the lower half name something."""

    COUNT = "count"
    DAYS = "days"
    MONEY = "money"  # minor units
    PERCENT = "percent"  # 0 to 100
    RANK = "rank"

    COMMUNITY = "community"  # by its code, like everything below
    CLASSIFICATION = "classification"  # "axis:value"
    TAG = "tag"
    SEGMENT = "segment"
    PURPOSE = "purpose"
    TIER_SCHEME = "tier_scheme"
    STAFF = "staff"
    CHAT_STATE = "chat_state"
    WINBACK = "winback"
    RFM_SEGMENT = "rfm_segment"
    VALUE_BAND = "value_band"
    BEHAVIOUR = "behaviour"


class Window(StrEnum):
    """Whether a clause over a metric is about the last ``window_days`` days."""

    NEVER = "never"
    OPTIONAL = "optional"
    REQUIRED = "required"


LIMITS = {
    ValueType.COUNT: MAX_NUMBER,
    ValueType.MONEY: MAX_NUMBER,
    ValueType.DAYS: MAX_DAYS,
    ValueType.PERCENT: 100,
    ValueType.RANK: MAX_RANK,
}

NUMERIC = (Operator.GTE, Operator.GT, Operator.LTE, Operator.LT, Operator.EQ)
REFERENCE = (Operator.IS, Operator.IS_NOT)

#: The operator that holds exactly when the other does not, given that the fact is known.
OPPOSITE = {
    Operator.GTE: Operator.LT,
    Operator.LT: Operator.GTE,
    Operator.GT: Operator.LTE,
    Operator.LTE: Operator.GT,
    Operator.IS: Operator.IS_NOT,
    Operator.IS_NOT: Operator.IS,
}


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """What a metric is called, measured in and taken from; published by the API."""

    name: str
    label: Words
    unit: Words
    source: Words
    definition: Words
    version: int
    value_type: ValueType
    operators: tuple[Operator, ...]
    takes_window: Window
    parameter: ValueType | None = None  # what "of" may name, for a metric that can be narrowed


class MetricRegistry:
    """The metrics a criterion may speak of, by name."""

    def __init__(self) -> None:
        self._definitions: dict[str, MetricDefinition] = {}

    def register(self, definition: MetricDefinition) -> None:
        if definition.name in self._definitions:
            raise ValueError(f"The metric {definition.name} is registered twice.")
        self._definitions[definition.name] = definition

    def get(self, name: str) -> MetricDefinition | None:
        return self._definitions.get(name)

    def __iter__(self) -> Iterator[MetricDefinition]:
        return iter(self._definitions.values())


#: What criteria over members speak of, and what criteria over group chats do.
METRICS = MetricRegistry()
CHAT_METRICS = MetricRegistry()


def definition_of(metric: str) -> MetricDefinition | None:
    """A metric of either registry: a name stands in one of them only."""
    return METRICS.get(metric) or CHAT_METRICS.get(metric)


@dataclass(frozen=True, slots=True)
class Clause:
    metric: str
    op: Operator
    value: Value
    window_days: int | None = None
    of: str | None = None  # narrows the metric: a community, a tier scheme
    path: str = field(default="$", compare=False)


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Node


type Node = AllOf | AnyOf | Not | Clause


@dataclass(frozen=True, slots=True)
class Criterion:
    """A parsed criterion. Without a root it asks for nothing and is always met."""

    root: Node | None = None

    @property
    def is_empty(self) -> bool:
        return self.root is None

    def clauses(self) -> tuple[Clause, ...]:
        return () if self.root is None else tuple(_clauses_below(self.root))

    def as_json(self) -> dict[str, object]:
        return {} if self.root is None else _json_of(self.root)


def _clauses_below(node: Node) -> Iterator[Clause]:
    match node:
        case Clause():
            yield node
        case Not(part):
            yield from _clauses_below(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _clauses_below(part)


def _json_of(node: Node) -> dict[str, object]:
    match node:
        case AllOf(parts):
            return {"all": [_json_of(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [_json_of(part) for part in parts]}
        case Not(part):
            return {"not": _json_of(part)}
        case Clause(metric, op, value, window_days, of):
            clause: dict[str, object] = {"metric": metric, "op": op.value, "value": value}
            if of is not None:
                clause["of"] = of
            if window_days is not None:
                clause["window_days"] = window_days
            return clause


@dataclass(frozen=True, slots=True)
class CriterionError:
    """One thing wrong with a criterion, and where: ``path`` is a JSON path from ``$``."""

    path: str
    code: str
    message: str


class InvalidCriterion(DomainError):
    code = "invalid_criterion"

    def __init__(self, errors: tuple[CriterionError, ...]) -> None:
        super().__init__(
            "；".join(f"{error.path}：{error.message}" for error in errors),
            details=[
                {"path": error.path, "code": error.code, "detail": error.message}
                for error in errors
            ],
        )
        self.errors = errors


def parse_criterion(raw: object, *, registry: MetricRegistry = METRICS) -> Criterion:
    """Read a criterion from JSON, or raise ``InvalidCriterion`` with everything wrong at once."""
    if raw == {} and isinstance(raw, Mapping):
        return Criterion()
    reading = _Reading(registry)
    root = reading.node(raw, path="$", depth=1)
    if reading.errors or root is None:
        raise InvalidCriterion(tuple(reading.errors))
    return Criterion(root)


GROUP_KEYS = frozenset({"all", "any", "not"})
CLAUSE_KEYS = frozenset({"metric", "op", "value", "window_days", "of"})


class _Reading:
    """One walk over a raw tree that notes errors instead of stopping at the first."""

    def __init__(self, registry: MetricRegistry) -> None:
        self.registry = registry
        self.errors: list[CriterionError] = []
        self.clause_count = 0

    def wrong(self, path: str, code: str, message: str) -> None:
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(CriterionError(path, code, message))

    def node(self, raw: object, *, path: str, depth: int) -> Node | None:
        if depth > MAX_DEPTH:
            self.wrong(path, "too_deep", _("条件最多嵌套 %(limit)d 层。") % {"limit": MAX_DEPTH})
            return None
        if not isinstance(raw, Mapping):
            self.wrong(path, "not_an_object", _("这里应是一个条件或条件组（JSON 对象）。"))
            return None
        groups = GROUP_KEYS & raw.keys()
        if not groups:
            return self.clause(raw, path=path)
        if len(groups) > 1 or CLAUSE_KEYS & raw.keys():
            self.wrong(path, "ambiguous", _("all、any、not 和条件不能写在同一层，请用条件组分开。"))
            return None
        (key,) = groups
        self.unknown_keys(raw, allowed=frozenset({key}), path=path)
        if key == "not":
            part = self.node(raw["not"], path=f"{path}.not", depth=depth + 1)
            return None if part is None else Not(part)
        parts = self.parts(raw[key], path=f"{path}.{key}", depth=depth + 1)
        return AllOf(parts) if key == "all" else AnyOf(parts)

    def parts(self, raw: object, *, path: str, depth: int) -> tuple[Node, ...]:
        if not isinstance(raw, list):
            self.wrong(path, "not_a_list", _("条件组应是一个列表。"))
            return ()
        if not raw:
            self.wrong(path, "empty_group", _("条件组不能为空；不设门槛请写 {}。"))
        parts = []
        for index, part in enumerate(raw):
            if self.clause_count > MAX_CLAUSES:
                break
            parts.append(self.node(part, path=f"{path}[{index}]", depth=depth))
        return tuple(part for part in parts if part is not None)

    def clause(self, raw: Mapping[object, object], *, path: str) -> Clause | None:
        self.clause_count += 1
        if self.clause_count > MAX_CLAUSES:
            self.wrong(
                path,
                "too_many_clauses",
                _("一个规则最多 %(limit)d 个条件。") % {"limit": MAX_CLAUSES},
            )
            return None
        before = len(self.errors)
        self.unknown_keys(raw, allowed=CLAUSE_KEYS, path=path)
        for key in ("metric", "op", "value"):
            if key not in raw:
                self.wrong(f"{path}.{key}", "missing_key", _("缺少 %(key)s。") % {"key": key})
        definition = self.definition(raw, path=path)
        if definition is None or not {"op", "value"} <= raw.keys():
            return None
        op = self.operator(raw["op"], definition, path=f"{path}.op")
        value = self.value(raw["value"], definition, path=f"{path}.value")
        window_days = self.window(raw.get("window_days"), definition, path=f"{path}.window_days")
        of = self.parameter(raw.get("of"), definition, path=f"{path}.of")
        if op is None or value is None or len(self.errors) > before:
            return None
        return Clause(definition.name, op, value, window_days, of, path)

    def unknown_keys(
        self, raw: Mapping[object, object], *, allowed: frozenset[str], path: str
    ) -> None:
        for key in raw:
            if key not in allowed:
                self.wrong(
                    f"{path}.{_shown(key)}",
                    "unknown_key",
                    _("不认识的字段“%(key)s”。") % {"key": _shown(key)},
                )

    def definition(self, raw: Mapping[object, object], *, path: str) -> MetricDefinition | None:
        if "metric" not in raw:
            return None
        name = raw["metric"]
        definition = self.registry.get(name) if isinstance(name, str) else None
        if definition is not None:
            return definition
        message = _("没有名为“%(name)s”的指标。") % {"name": _shown(name)}
        known = [definition.name for definition in self.registry]
        for near in get_close_matches(str(name)[:MAX_TEXT], known, n=1):
            message += _("是不是 %(near)s？") % {"near": near}
        self.wrong(f"{path}.metric", "unknown_metric", message)
        return None

    def operator(self, raw: object, definition: MetricDefinition, *, path: str) -> Operator | None:
        for operator in definition.operators:
            if raw == operator.value:
                return operator
        self.wrong(
            path,
            "unknown_operator",
            _("“%(metric)s”不能用“%(op)s”比较，可用：%(known)s。")
            % {
                "metric": definition.label,
                "op": _shown(raw),
                "known": "、".join(definition.operators),
            },
        )
        return None

    def value(self, raw: object, definition: MetricDefinition, *, path: str) -> Value | None:
        limit = LIMITS.get(definition.value_type)
        if limit is None:
            return self.reference(raw, definition.value_type, path=path)
        if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw <= limit:
            return raw
        message = _("这里应是 0 到 %(limit)d 的整数。") % {"limit": limit}
        self.wrong(path, "bad_value", message)
        return None

    def reference(self, raw: object, named: ValueType, *, path: str) -> str | None:
        if isinstance(raw, str) and 0 < len(raw) <= MAX_TEXT and raw.isprintable():
            return raw
        self.wrong(path, "bad_value", _hint(named))
        return None

    def parameter(self, raw: object, definition: MetricDefinition, *, path: str) -> str | None:
        if raw is None:
            return None
        if definition.parameter is not None:
            return self.reference(raw, definition.parameter, path=path)
        self.wrong(
            path,
            "unexpected_parameter",
            _("“%(metric)s”不能限定范围（of）。") % {"metric": definition.label},
        )
        return None

    def window(self, raw: object, definition: MetricDefinition, *, path: str) -> int | None:
        if raw is None:
            if definition.takes_window is Window.REQUIRED:
                self.wrong(
                    path,
                    "missing_window",
                    _("“%(metric)s”必须写明近几天（window_days）。") % {"metric": definition.label},
                )
            return None
        if definition.takes_window is Window.NEVER:
            self.wrong(
                path,
                "unexpected_window",
                _("“%(metric)s”不能写近几天（window_days）。") % {"metric": definition.label},
            )
        elif not isinstance(raw, int) or isinstance(raw, bool) or not 1 <= raw <= MAX_WINDOW_DAYS:
            self.wrong(
                path,
                "bad_window",
                _("window_days 应是 1 到 %(limit)d 的整数。") % {"limit": MAX_WINDOW_DAYS},
            )
        else:
            return raw
        return None


def _hint(named: ValueType) -> str:
    """What a reference of this kind looks like."""
    return {
        ValueType.COMMUNITY: _("这里应填社群代码，例如 vip-club。"),
        ValueType.CLASSIFICATION: _("这里应填“维度:值”，例如 region:shanghai。"),
        ValueType.TAG: _("这里应填标签代码，例如 gold。"),
        ValueType.SEGMENT: _("这里应填人群包代码，例如 big-spenders。"),
        ValueType.PURPOSE: _("这里应填授权用途，例如 broadcast。"),
        ValueType.TIER_SCHEME: _("这里应填分层方案代码，例如 loyalty。"),
        ValueType.STAFF: _("这里应填员工编号。"),
        ValueType.CHAT_STATE: _("这里应填群的状态，例如 active。"),
        ValueType.RFM_SEGMENT: _("这里应填 RFM 分群，例如 champions。"),
        ValueType.VALUE_BAND: _("这里应填价值档，例如 high。"),
        ValueType.BEHAVIOUR: _("这里应填行为标签，例如 creator。"),
        ValueType.WINBACK: _("这里应填挽回群发的编号，例如 12。"),
    }[named]


def _shown(raw: object) -> str:
    """A value as it may stand in a message: printable and short."""
    text = raw if isinstance(raw, str) else repr(raw)
    return "".join(char if char.isprintable() else "?" for char in text[:40])
