"""The criterion language as JSON Schema 2020-12, made from the registry of metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scrm.shared.criteria import (
    LIMITS,
    MAX_CLAUSES,
    MAX_DEPTH,
    MAX_TEXT,
    MAX_WINDOW_DAYS,
    METRICS,
    MetricDefinition,
    ValueType,
    Window,
)

type Schema = dict[str, Any]


def criterion_schema(metrics: Iterable[MetricDefinition] = METRICS) -> Schema:
    """What ``parse_criterion`` takes, but for the number of clauses in the whole tree.

    Every depth is a definition of its own, so that a tree too deep is not valid.
    """
    definitions: Schema = {"clause": {"oneOf": [_clause(metric) for metric in metrics]}}
    for depth in range(1, MAX_DEPTH + 1):
        definitions[_name(depth)] = {"anyOf": [_ref("clause"), *_groups(depth)]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:scrm:criterion:1",
        "title": "Criterion",
        "description": "{} asks for nothing. A tree has at most"
        f" {MAX_CLAUSES} clauses and {MAX_DEPTH} levels.",
        "anyOf": [{"type": "object", "maxProperties": 0}, _ref(_name(1))],
        "$defs": definitions,
    }


def _groups(depth: int) -> list[Schema]:
    if depth == MAX_DEPTH:
        return []
    below = _ref(_name(depth + 1))
    parts: Schema = {"type": "array", "items": below, "minItems": 1, "maxItems": MAX_CLAUSES}
    return [_object({"all": parts}), _object({"any": parts}), _object({"not": below})]


def _clause(metric: MetricDefinition) -> Schema:
    fields: Schema = {
        "metric": {"const": metric.name},
        "op": {"enum": [operator.value for operator in metric.operators]},
        "value": _value(metric.value_type),
    }
    optional: Schema = {}
    window: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_WINDOW_DAYS}
    if metric.takes_window is Window.REQUIRED:
        fields["window_days"] = window
    elif metric.takes_window is Window.OPTIONAL:
        optional["window_days"] = _or_null(window)
    else:
        optional["window_days"] = {"type": "null"}
    optional["of"] = (
        {"type": "null"} if metric.parameter is None else _or_null(_value(metric.parameter))
    )
    return _object(fields, optional) | {
        "title": str(metric.label),
        "description": str(metric.definition),
    }


def _value(value_type: ValueType) -> Schema:
    if value_type in LIMITS:
        return {"type": "integer", "minimum": 0, "maximum": LIMITS[value_type]}
    return {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(required: Schema, optional: Schema | None = None) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _name(depth: int) -> str:
    return f"level{depth}"


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
