"""The base of every admin page: who sees it, whose rows it shows, and how it calls verbs.

- Rows, choices of relations, filters and selections are limited by ``visible_to(request.user)``.
- What a user may do follows from declared capabilities; Django's own permissions play no part.
- The enterprise of a new row is the user's; no form carries it.
- Saving and actions call verbs, and a refusal is shown where the operator is looking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin import ActionLocation, ShowFacets
from django.contrib.admin import ModelAdmin as PlainModelAdmin
from django.contrib.admin.utils import get_fields_from_path
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.forms import PaginationInlineFormSet

from scrm.accounts.admin_gates import (
    CapabilityGates,
    ScopedRelations,
    VisibleRelatedFilter,
    admin_user,
    gate,
    has_field,
    offers_all_rows,
)
from scrm.accounts.models import User
from scrm.accounts.rules.roles import Capability
from scrm.accounts.services.audit import record_audit, snapshot
from scrm.shared.errors import DomainError

if TYPE_CHECKING:  # unfold is untyped, and its classes stand in for Django's one to one
    from django.contrib.admin import ModelAdmin, StackedInline, TabularInline
else:
    from unfold.admin import ModelAdmin, StackedInline, TabularInline

CONFIRM = gettext_lazy("确定")

type Verb = Callable[..., models.Model]


class EnterpriseForm(forms.ModelForm[Any]):
    """A form whose row already belongs to the user's enterprise while it is checked.

    So constraints over (enterprise, …) are checked with the rest, though no field shows it.
    """

    user: ClassVar[User]
    refusal: ClassVar[DomainError | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding and has_field(type(self.instance), "enterprise"):
            self.instance.enterprise_id = self.user.enterprise_id

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() - {"enterprise"}  # type: ignore[misc, no-any-return]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.refusal is not None:
            self.add_error(None, forms.ValidationError(self.refusal.message, self.refusal.code))
        return cleaned


class EnterpriseModelAdmin[M: models.Model](CapabilityGates, ScopedRelations, ModelAdmin[M]):
    """An admin of rows that belong to an enterprise.

    ``create_verb(actor=…, **fields)`` and ``update_verb(pk, actor=…, **changed)`` do the saving;
    without them the row is saved as it is and the change is audited all the same.
    ``action_capabilities`` adds permission names for actions: ``{"approve": APPROVE_CAMPAIGNS}``
    makes ``permissions=["approve"]`` work.
    """

    form = EnterpriseForm
    create_verb: ClassVar[Verb | None] = None
    update_verb: ClassVar[Verb | None] = None
    action_capabilities: ClassVar[dict[str, Capability]] = {}
    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True
    warn_unsaved_form = True
    show_facets = ShowFacets.NEVER

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, capability in cls.action_capabilities.items():
            setattr(cls, f"has_{name}_permission", gate(capability))
        if cls.__dict__.get("raw_id_fields"):
            raise ImproperlyConfigured(
                f"{cls.__name__}: raw_id_fields shows the name of any row whose id is typed in; "
                "use autocomplete_fields."
            )

    # --- rows ---

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[M]:
        rows: Any = super().get_queryset(request)
        return rows.visible_to(admin_user(request))  # type: ignore[no-any-return]

    def row(self, request: HttpRequest, object_id: object) -> M:
        """The row of this URL, if it is the operator's to see."""
        found = self.get_object(request, str(object_id))
        if found is None:
            raise Http404
        return found

    def get_list_filter(self, request: HttpRequest) -> Any:
        """A relation named in ``list_filter`` offers only the operator's own rows."""
        filters: list[Any] = []
        for item in super().get_list_filter(request):
            if isinstance(item, str) and get_fields_from_path(self.model, item)[-1].is_relation:
                filters.append((item, VisibleRelatedFilter))
            elif isinstance(item, tuple) and offers_all_rows(item[1]):
                raise ImproperlyConfigured(f"{self}: name {item[0]} alone, to have it scoped.")
            else:
                filters.append(item)
        return filters

    # --- forms ---

    def get_exclude(self, request: HttpRequest, obj: M | None = None) -> Any:
        return [*(super().get_exclude(request, obj) or ()), "enterprise"]

    def get_form(
        self, request: HttpRequest, obj: M | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if not issubclass(form, EnterpriseForm):
            return form
        bound = {"user": admin_user(request), "refusal": getattr(request, "refusal", None)}
        return type(form.__name__, (form,), bound)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """A refusal by the verb is shown in the form, with what was typed still in it."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except DomainError as refusal:
            request.refusal = refusal  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    # --- saving ---

    def save_model(self, request: HttpRequest, obj: M, form: Any, change: bool) -> None:
        actor = admin_user(request)
        values = {name: form.cleaned_data[name] for name in self.verb_fields(form)}
        if change and self.update_verb is not None:
            changed = {name: values[name] for name in form.changed_data if name in values}
            saved = type(self).update_verb(obj.pk, actor=actor, **changed)  # type: ignore[misc]
        elif not change and self.create_verb is not None:
            saved = type(self).create_verb(actor=actor, **values)  # type: ignore[misc]
        else:
            self.save_audited(actor, obj, form, change=change)
            return
        obj.pk = saved.pk
        obj._state.adding = False
        obj.refresh_from_db()

    def verb_fields(self, form: Any) -> list[str]:
        """The form's fields that are arguments of the verb; all of them, unless overridden."""
        return list(form.cleaned_data)

    def save_audited(self, actor: User, obj: M, form: Any, *, change: bool) -> None:
        names = [name for name in form.changed_data if has_field(type(obj), name)]
        before = snapshot(type(obj)._default_manager.get(pk=obj.pk), names) if change else {}
        obj.save(update_fields=names) if change else obj.save(force_insert=True)
        name = obj._meta.model_name
        verb = f"edit_{name}" if change else f"create_{name}"
        record_audit(actor, verb=verb, subject=obj, before=before, after=snapshot(obj, names))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        actor = admin_user(request)
        for row in formset.save(commit=False):
            if has_field(type(row), "enterprise") and row._state.adding:
                row.enterprise_id = actor.enterprise_id
            row.save()
        for row in formset.deleted_objects:
            row.delete()
        formset.save_m2m()

    # --- actions ---

    def get_action_choices(
        self,
        request: HttpRequest,
        default_choices: Any = None,
        action_location: ActionLocation = ActionLocation.CHANGE_LIST,
    ) -> Any:
        """Unfold 0.110 overrides this with a signature that Django 6.1 warns about."""
        first = default_choices or [("", _("选择操作"))]
        return PlainModelAdmin.get_action_choices(self, request, first, action_location)

    def idle_buttons(self, row: M) -> set[str]:
        """The buttons that make no sense for this row as it is, and are not shown."""
        return set()

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        actions = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        if type(self).idle_buttons is EnterpriseModelAdmin.idle_buttons:
            return actions
        row = self.get_object(request, str(object_id))
        if row is None:
            return actions
        prefix = f"{self.opts.app_label}_{self.opts.model_name}_"
        idle = {prefix + name for name in self.idle_buttons(row)}
        return [action for action in actions if action.action_name not in idle]

    def run_on_rows(
        self,
        request: HttpRequest,
        rows: Iterable[models.Model],
        verb: Callable[..., object],
        *,
        done: str,
        **arguments: object,
    ) -> None:
        """One verb per selected row; each refusal is a message of its own."""
        count = 0
        for row in rows:
            try:
                verb(row.pk, actor=admin_user(request), **arguments)
            except DomainError as refusal:
                self.message_user(request, f"{row}：{refusal.message}", messages.ERROR)
            else:
                count += 1
        if count:
            text = _("%(done)s（%(count)d 条）") % {"done": done, "count": count}
            self.message_user(request, text, messages.SUCCESS)

    def run_on_row(
        self,
        request: HttpRequest,
        object_id: object,
        verb: Callable[..., object],
        *,
        done: str,
        **arguments: object,
    ) -> HttpResponse:
        """One verb on the row of this page, then back to it. For a button with a dialog."""
        row = self.row(request, object_id)
        try:
            verb(row.pk, actor=admin_user(request), **arguments)
        except DomainError as refusal:
            self.message_user(request, refusal.message, messages.ERROR)
        else:
            self.message_user(request, done, messages.SUCCESS)
        return self.back_to(request, row)

    def back_to(self, request: HttpRequest, row: models.Model | None = None) -> HttpResponse:
        """Back to the row, or to the list. A dialog is posted by htmx, which needs its own word."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_"
        url = reverse(name + "change", args=[row.pk]) if row else reverse(name + "changelist")
        if request.headers.get("HX-Request"):
            return HttpResponse(headers={"HX-Redirect": url})
        return HttpResponseRedirect(url)


def confirm(title: Any, description: Any = "", *, submit: Any = CONFIRM) -> Any:
    """The ``dialog`` of an Unfold action. A button that changes something needs one: without it
    the button is a link, and a link must not change anything."""
    return {"title": title, "description": description, "form_submit_text": submit}


class HistoryModelAdmin[M: models.Model](EnterpriseModelAdmin[M]):
    """Rows that only the product writes: to be read, never added, changed or deleted."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OwnRows(PaginationInlineFormSet):  # type: ignore[misc]  # untyped upstream
    """A row of the table is named by a hidden id: only one that belongs into the table can be."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        form.fields[self.model._meta.pk.name].queryset = self.queryset


class EnterpriseInline(CapabilityGates, ScopedRelations):
    """Parts of a whole, edited on its page; the same gates and choices as a page of their own."""

    extra = 0
    formset: Any = OwnRows

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows: Any = super().get_queryset(request)  # type: ignore[misc]
        if hasattr(rows, "visible_to"):
            rows = rows.visible_to(admin_user(request))
        visible: models.QuerySet[Any] = rows
        return visible

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> Any:
        excluded = super().get_exclude(request, obj) or ()  # type: ignore[misc]
        return [*excluded, "enterprise"]

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)  # type: ignore[misc]
        if issubclass(formset.form, EnterpriseForm):
            bound = {"user": admin_user(request), "refusal": None}
            formset.form = type(formset.form.__name__, (formset.form,), bound)
        return formset


class EnterpriseTabularInline[C: models.Model, P: models.Model](
    EnterpriseInline, TabularInline[C, P]
):
    form = EnterpriseForm


class EnterpriseStackedInline[C: models.Model, P: models.Model](
    EnterpriseInline, StackedInline[C, P]
):
    form = EnterpriseForm


__all__ = [
    "EnterpriseForm",
    "EnterpriseModelAdmin",
    "EnterpriseStackedInline",
    "EnterpriseTabularInline",
    "HistoryModelAdmin",
    "admin_user",
    "confirm",
]
