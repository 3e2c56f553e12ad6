"""A criterion in a form: up to five rows of metric, comparison, value and days; no JSON needed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from scrm.shared.criteria import (
    METRICS,
    REFERENCE,
    AllOf,
    AnyOf,
    Clause,
    Criterion,
    CriterionError,
    InvalidCriterion,
    Operator,
    ValueType,
    parse_criterion,
)
from scrm.shared.criterion_words import SIGNS

ROWS = 5
COLUMNS = ("metric", "op", "value", "days")
NAMES = ("join", *(f"{column}{row}" for row in range(ROWS) for column in COLUMNS), "json")
OPERATORS: list[tuple[str, Any]] = [
    *((op.value, sign) for op, sign in SIGNS.items()),
    (Operator.IS.value, gettext_lazy("在（社群代码）")),
    (Operator.IS_NOT.value, gettext_lazy("不在（社群代码）")),
]
JOINS = [("all", gettext_lazy("全部满足")), ("any", gettext_lazy("满足任意一条"))]
ROW_OF_PATH = re.compile(r"^\$\.(?:all|any)\[(\d+)\]")


def metric_choices() -> list[tuple[str, Any]]:
    return [("", "—"), *((metric.name, metric.label) for metric in METRICS)]


class CriterionWidget(forms.MultiWidget):
    template_name = "communities/widgets/criterion.html"

    def __init__(self) -> None:
        widgets: dict[str, forms.Widget | type[forms.Widget]] = {
            "join": UnfoldAdminSelectWidget(choices=JOINS)
        }
        for row in range(ROWS):
            widgets[f"metric{row}"] = UnfoldAdminSelectWidget(choices=metric_choices)
            widgets[f"op{row}"] = UnfoldAdminSelectWidget(choices=OPERATORS)
            widgets[f"value{row}"] = UnfoldAdminTextInputWidget()
            widgets[f"days{row}"] = UnfoldAdminIntegerFieldWidget()
        widgets["json"] = UnfoldAdminTextareaWidget(attrs={"rows": 3})
        super().__init__(widgets=widgets)

    def decompress(self, value: Any) -> list[Any]:
        criterion = _read(value)
        rows = _as_rows(criterion)
        if rows is None:
            told = json.dumps(criterion.as_json(), ensure_ascii=False)
            return ["all", *_flat([]), told]
        join = "any" if isinstance(criterion.root, AnyOf) else "all"
        return [join, *_flat(rows), ""]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        parts = context["widget"]["subwidgets"]
        context["widget"]["join"], context["widget"]["json"] = parts[0], parts[-1]
        rows = [parts[1 + at : 1 + at + len(COLUMNS)] for at in range(0, ROWS * 4, len(COLUMNS))]
        context["widget"]["rows"] = rows
        return context


class CriterionFormField(forms.MultiValueField):
    """Cleans to a ``Criterion``. What rows cannot say can still be written as JSON."""

    def __init__(self, **options: Any) -> None:
        fields: list[forms.Field] = [
            forms.ChoiceField(choices=JOINS),
            *(self.part(column) for _row in range(ROWS) for column in COLUMNS),
            forms.CharField(required=False, max_length=20_000),
        ]
        options.setdefault("required", False)
        options.setdefault("label", gettext_lazy("门槛"))
        options.setdefault(
            "help_text",
            gettext_lazy("金额按元填；“近几天”留空表示不限时间。一行都不填表示没有门槛。"),
        )
        super().__init__(
            fields=fields, widget=CriterionWidget(), require_all_fields=False, **options
        )

    @staticmethod
    def part(column: str) -> forms.Field:
        match column:
            case "metric":
                return forms.ChoiceField(choices=metric_choices, required=False)
            case "op":
                return forms.ChoiceField(choices=OPERATORS, required=False)
            case "days":
                return forms.IntegerField(required=False, min_value=1)
        return forms.CharField(required=False, max_length=120)

    def clean(self, value: Any) -> Criterion:
        cleaned = super().clean(value)
        return cleaned if isinstance(cleaned, Criterion) else Criterion()

    def compress(self, data_list: list[Any]) -> Criterion:
        if not data_list:
            return Criterion()
        join, *cells, written = data_list
        if written:
            return self.parsed(self.loaded(written), numbers=[])
        raw, numbers = self.clauses(cells)
        return self.parsed({join: raw} if raw else {}, numbers=numbers)

    def clauses(self, cells: list[Any]) -> tuple[list[dict[str, object]], list[int]]:
        """The rows that are filled in, as clauses, and the number of each row on the page."""
        clauses: list[dict[str, object]] = []
        numbers: list[int] = []
        for at in range(ROWS):
            metric, op, text, days = cells[at * 4 : at * 4 + 4]
            if not metric:
                if text:
                    raise forms.ValidationError(_("第 %(row)d 行：请选指标。") % {"row": at + 1})
                continue
            clause: dict[str, object] = {"metric": metric, "op": op, "value": _number(metric, text)}
            if days is not None:
                clause["window_days"] = days
            clauses.append(clause)
            numbers.append(at + 1)
        return clauses, numbers

    def loaded(self, written: str) -> object:
        try:
            loaded: object = json.loads(written)
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(_("高级写法不是正确的 JSON。")) from error
        return loaded

    def parsed(self, raw: object, *, numbers: list[int]) -> Criterion:
        try:
            return parse_criterion(raw)
        except InvalidCriterion as invalid:
            raise forms.ValidationError(
                [_told(error, numbers) for error in invalid.errors]
            ) from invalid


def _told(error: CriterionError, numbers: list[int]) -> str:
    place = ROW_OF_PATH.match(error.path)
    if place is None or not numbers:
        return f"{error.path}：{error.message}"
    row = numbers[int(place.group(1))]
    return _("第 %(row)d 行：%(message)s") % {"row": row, "message": error.message}


def _read(value: Any) -> Criterion:
    if isinstance(value, Criterion):
        return value
    try:
        return parse_criterion(value) if isinstance(value, Mapping) else Criterion()
    except InvalidCriterion:
        return Criterion()


def _as_rows(criterion: Criterion) -> list[Clause] | None:
    """The clauses, if a flat list of rows says the same; otherwise None."""
    match criterion.root:
        case None:
            return []
        case Clause() as clause:
            return [clause]
        case AllOf(parts) | AnyOf(parts) if len(parts) <= ROWS:
            rows = [part for part in parts if isinstance(part, Clause)]
            return rows if len(rows) == len(parts) else None
    return None


def _flat(rows: list[Clause]) -> list[Any]:
    cells: list[Any] = []
    for row in rows:
        cells += [row.metric, row.op.value, _text(row), row.window_days]
    empty: list[Any] = ["", Operator.GTE.value, "", None]
    return cells + empty * (ROWS - len(rows))


def _is_money(metric: str) -> bool:
    definition = METRICS.get(metric)
    return definition is not None and definition.value_type is ValueType.MONEY


def _text(clause: Clause) -> str:
    if isinstance(clause.value, int) and _is_money(clause.metric):
        return f"{clause.value // 100}.{clause.value % 100:02d}"
    return str(clause.value)


def _number(metric: str, text: str) -> object:
    """What was typed, as the criterion wants it; what is no number is left for it to refuse."""
    definition = METRICS.get(metric)
    if definition is None or definition.operators == REFERENCE:
        return text
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if _is_money(metric):
        number *= 100
    if not number.is_finite() or number != number.to_integral_value() or number.adjusted() > 15:
        return text
    return int(number)
