"""The report of classifications as a table: what is asked, and how the counts are laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget

from communities.models import ClassificationAxis, ClassificationValue, Community
from communities.rules.tree import MAX_DEPTH
from members.selectors.classification import Report
from scrm.accounts.models import User

MOST_CELLS = 2_000  # a wider or longer table nobody reads; the list below it has everything


def levels() -> list[tuple[str, str]]:
    deeper = [(str(level), _("并入第 %d 层") % level) for level in range(2, MAX_DEPTH)]
    return [("", _("按各自的值")), ("1", _("并入最上层")), *deeper]


class ReportForm(forms.Form):
    """Up to three different axes; without any asked for, the first two there are."""

    first = forms.ModelChoiceField(
        label=gettext_lazy("维度一"),
        queryset=ClassificationAxis.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    second = forms.ModelChoiceField(
        label=gettext_lazy("维度二"),
        queryset=ClassificationAxis.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    third = forms.ModelChoiceField(
        label=gettext_lazy("维度三"),
        queryset=ClassificationAxis.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    community = forms.ModelChoiceField(
        label=gettext_lazy("社群"),
        queryset=Community.objects.none(),
        required=False,
        empty_label=gettext_lazy("全部成员"),
        widget=UnfoldAdminSelectWidget,
    )
    level = forms.TypedChoiceField(
        label=gettext_lazy("层次"),
        choices=levels,
        coerce=int,
        empty_value=None,
        required=False,
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, data: Any, *, user: User) -> None:
        axes = ClassificationAxis.objects.visible_to(user).order_by("pk")
        if data is None:
            names = dict(zip(("first", "second"), axes[:2], strict=False))
            data = {name: axis.pk for name, axis in names.items()}
        super().__init__(data)
        for name in ("first", "second", "third"):
            self.fields[name].queryset = axes  # type: ignore[attr-defined]  # a choice of rows
        communities = Community.objects.visible_to(user).order_by("name", "pk")
        self.fields["community"].queryset = communities  # type: ignore[attr-defined]  # likewise

    @property
    def axes(self) -> list[ClassificationAxis]:
        chosen = [self.cleaned_data.get(name) for name in ("first", "second", "third")]
        return list(dict.fromkeys(axis for axis in chosen if axis is not None))


@dataclass(frozen=True)
class Matrix:
    """The values of the first axis down, those of the second across, each with its sum."""

    columns: list[str]
    rows: list[tuple[str, list[int], int]]
    sums: list[int]


def matrix_of(report: Report) -> Matrix | None:
    """For two axes; one axis or three read better as a list."""
    if len(report.axes) != 2 or not report.is_complete:
        return None
    counts = {held.values: held.member_count for held in report.combinations}
    down = _ordered({first for first, _second in counts})
    across = _ordered({second for _first, second in counts})
    if len(down) * len(across) > MOST_CELLS:
        return None
    rows = [(named(first), [counts.get((first, second), 0) for second in across]) for first in down]
    return Matrix(
        columns=[named(second) for second in across],
        rows=[(name, cells, sum(cells)) for name, cells in rows],
        sums=[sum(cells[index] for _name, cells in rows) for index in range(len(across))],
    )


def named(value: ClassificationValue | None) -> str:
    return _("未分类") if value is None else value.name


def _ordered(values: set[ClassificationValue | None]) -> list[ClassificationValue | None]:
    """By name, and who is not classified last."""
    return sorted(values, key=lambda value: (value is None, value.name if value else ""))
