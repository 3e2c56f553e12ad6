"""A criterion in a form: the builder with dropdowns; without JavaScript, its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from communities.admin.criterion_words import BAD_MONEY, BAD_WINDOW, builder_settings
from communities.services.gatekeeping import refuse_unknown_references
from scrm.shared.criteria import (
    MAX_DEPTH,
    METRICS,
    Criterion,
    CriterionError,
    InvalidCriterion,
    MetricRegistry,
    ValueType,
    definition_of,
    parse_criterion,
)
from scrm.shared.criterion_words import describe
from scrm.shared.errors import DomainError

MAX_LENGTH = 20_000


class CriterionWidget(UnfoldAdminTextareaWidget):  # type: ignore[misc]  # untyped upstream
    """The textarea that is posted, and what its script needs to become a builder."""

    template_name = "communities/widgets/criterion.html"
    errors: tuple[dict[str, str], ...] = ()
    sentence = ""
    registry: MetricRegistry = METRICS
    empty: Any = gettext_lazy("还没有条件：所有人都符合。")

    class Media:
        css = {"all": ["communities/criterion-builder.css"]}
        js = (
            "communities/criterion-tree.js",
            "communities/criterion-choices.js",
            "communities/criterion-estimate.js",
            "communities/criterion-builder.js",
        )

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs={"rows": 5, "spellcheck": "false", **(attrs or {})})

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        identity = context["widget"]["attrs"].get("id") or f"id_{name}"
        context["widget"]["settings_id"] = f"{identity}_settings"
        context["widget"]["settings"] = {
            **builder_settings(self.registry),
            "empty": str(self.empty),
            "errors": self.errors,
            "sentence": self.sentence,
        }
        return context


class BoundCriterion(BoundField):
    """Tells the widget what is wrong, and what the criterion says, before it is drawn."""

    def as_widget(self, widget: Any = None, attrs: Any = None, only_initial: bool = False) -> Any:
        drawn = widget or self.field.widget
        if isinstance(drawn, CriterionWidget):
            found = self.form.errors.as_data().get(self.name, []) if self.form.is_bound else []
            drawn.errors = tuple(
                {"path": str(error.params["path"]), "message": str(error.params["message"])}
                for error in found
                if error.params and "path" in error.params
            )
            drawn.sentence = "" if found else _sentence(self.value(), drawn.registry)
        return super().as_widget(widget, attrs, only_initial)


class CriterionFormField(forms.Field):
    """Cleans to a ``Criterion``; nothing filled in is the empty one, unless it is required.

    ``empty`` tells operators what a criterion without clauses means here, ``registry`` what it is
    about: members or group chats.
    """

    widget = CriterionWidget
    default_error_messages = {
        "required": gettext_lazy("请至少添加一个条件。"),
    }

    def __init__(
        self, *, empty: Any = None, registry: MetricRegistry = METRICS, **options: Any
    ) -> None:
        options.setdefault("required", False)
        options.setdefault("label", gettext_lazy("门槛"))
        super().__init__(**options)
        self.registry = self.widget.registry = registry
        if empty is not None:
            self.widget.empty = empty

    def get_bound_field(self, form: Any, field_name: str) -> BoundField:
        return BoundCriterion(form, self, field_name)

    def prepare_value(self, value: Any) -> str:
        """The JSON that stands in the textarea."""
        if isinstance(value, str):
            return value
        raw = value.as_json() if isinstance(value, Criterion) else value
        return json.dumps(raw, ensure_ascii=False) if raw else ""

    def to_python(self, value: Any) -> Criterion:
        if isinstance(value, Criterion):
            return value
        written = str(value or "").strip()
        if not written:
            return Criterion()
        raw = _loaded(written)
        try:
            return parse_criterion(raw, registry=self.registry)
        except InvalidCriterion as invalid:
            raise told(invalid.errors, raw) from invalid

    def validate(self, value: Criterion) -> None:
        if self.required and value.is_empty:
            raise forms.ValidationError(self.error_messages["required"], code="required")

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return self.to_python(data) != self.to_python(self.prepare_value(initial))
        except forms.ValidationError:
            return True


def refuse_unknown(criterion: Criterion, *, enterprise_id: int) -> None:
    """Raise what the verb would refuse: clauses that name what this enterprise does not have."""
    try:
        refuse_unknown_references(criterion, enterprise_id=enterprise_id)
    except InvalidCriterion as invalid:
        raise told(invalid.errors, criterion.as_json()) from invalid
    except DomainError as refusal:
        raise forms.ValidationError(refusal.message, code=refusal.code) from refusal


def told(errors: Iterable[CriterionError], raw: object) -> forms.ValidationError:
    """Errors for people: clauses are numbered as the builder shows them."""
    clauses = dict(_clauses(raw))
    numbers = {path: number for number, path in enumerate(clauses, start=1)}
    found = []
    for error in errors:
        place = max((path for path in clauses if _is_at(error.path, path)), key=len, default=None)
        message = _message(error, clauses[place] if place else {})
        shown = message
        if place is not None:
            shown = _("第 %(number)d 条：%(message)s") % {
                "number": numbers[place],
                "message": message,
            }
        params = {"path": error.path, "message": message, "shown": shown}
        found.append(forms.ValidationError("%(shown)s", code=error.code, params=params))
    return forms.ValidationError(found)


def _message(error: CriterionError, clause: Mapping[str, object]) -> str:
    """In the words of the builder, where the language's own would mislead."""
    metric = definition_of(str(clause.get("metric")))
    if error.code == "unknown_metric" and not clause.get("metric"):
        return _("请选择指标。")
    if error.code == "bad_value" and clause.get("value") == "":
        return _("请填写。")
    if error.code == "bad_value" and metric and metric.value_type is ValueType.MONEY:
        return str(BAD_MONEY)
    if error.code == "bad_window":
        return str(BAD_WINDOW)
    if error.code == "missing_window":
        return _("请填写“近几天”。")
    return error.message


def _is_at(path: str, clause: str) -> bool:
    return path == clause or path.startswith((f"{clause}.", f"{clause}["))


def _clauses(
    raw: object, path: str = "$", depth: int = 1
) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The clauses of a raw tree as they stand below each other, and where."""
    if not isinstance(raw, Mapping) or depth > MAX_DEPTH:
        return
    for key in ("all", "any"):
        if isinstance(raw.get(key), list):
            for at, part in enumerate(raw[key]):
                yield from _clauses(part, f"{path}.{key}[{at}]", depth + 1)
            return
    if "not" in raw:
        yield from _clauses(raw["not"], f"{path}.not", depth + 1)
    elif raw:
        yield path, raw


def _loaded(written: str) -> object:
    if len(written) > MAX_LENGTH:
        raise forms.ValidationError(_("条件太长，请拆成几个人群包再组合。"), code="too_long")
    try:
        raw: object = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise forms.ValidationError(_("不是正确的 JSON。"), code="not_json") from error
    return raw


def _sentence(written: Any, registry: MetricRegistry) -> str:
    try:
        raw = json.loads(written) if written else {}
        criterion = parse_criterion(raw, registry=registry)
    except (ValueError, RecursionError, InvalidCriterion):
        return ""
    return "" if criterion.is_empty else describe(criterion, registry=registry)
