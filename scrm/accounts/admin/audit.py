from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from scrm.accounts.admin_scope import HistoryModelAdmin
from scrm.accounts.models import AuditEvent
from scrm.accounts.readable import NOTHING, difference
from scrm.accounts.rules.audit_words import named_verbs, words_for
from scrm.accounts.rules.roles import Capability


class VerbFilter(admin.SimpleListFilter):
    title = _("动作")
    parameter_name = "verb"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return named_verbs()

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[AuditEvent]
    ) -> models.QuerySet[AuditEvent]:
        return queryset.filter(verb=self.value()) if self.value() else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(HistoryModelAdmin[AuditEvent]):
    view_capability = Capability.VIEW_AUDIT
    list_display = ("happened_at", "who", "what", "subject", "summary")
    list_filter = (VerbFilter, "actor")
    list_select_related = ("actor", "api_key")
    search_fields = ("verb", "object_type", "actor__username")
    date_hierarchy = "happened_at"
    fields = ("happened_at", "who", "what", "subject", "changes")
    readonly_fields = fields
    ordering = ("-pk",)

    @display(description=_("操作人"), ordering="actor")
    def who(self, event: AuditEvent) -> str:
        if event.actor is None:
            return gettext("系统")
        if event.api_key is None:
            return event.actor.username
        names = {"user": event.actor.username, "key": event.api_key.name}
        return gettext("%(user)s（密钥 %(key)s）") % names

    @display(description=_("动作"), ordering="verb")
    def what(self, event: AuditEvent) -> str:
        return words_for(event.verb)

    @display(description=_("对象"))
    def subject(self, event: AuditEvent) -> str:
        model = model_of(event)
        name = str(model._meta.verbose_name) if model else event.object_type
        try:
            page = f"admin:{event.object_type.replace('.', '_')}_change"
            url = reverse(page, args=[event.object_id])
        except NoReverseMatch:
            return f"{name} #{event.object_id}"
        link = '<a class="text-primary-600" href="{}">{} #{}</a>'
        return format_html(link, url, name, event.object_id)

    @display(description=_("改动"))
    def changes(self, event: AuditEvent) -> str:
        fields = dict(fields_of(event))
        before, after = in_words(event.before, fields), in_words(event.after, fields)
        labels = {name: label_of(field) for name, field in fields.items()}
        return difference(before, after, labels)

    @display(description=_("改动"))
    def summary(self, event: AuditEvent) -> str:
        """For the list: what an edit changed; of something new only what it was given."""
        if event.before:
            return self.changes(event)  # type: ignore[no-any-return]
        fields = dict(fields_of(event))
        given = [
            label_of(fields[name]) if name in fields else name
            for name, value in event.after.items()
            if value not in (None, "", [])
        ]
        return "、".join(given) or NOTHING


def model_of(event: AuditEvent) -> type[models.Model] | None:
    try:
        return apps.get_model(event.object_type)
    except (LookupError, ValueError):
        return None


def fields_of(event: AuditEvent) -> Iterator[tuple[str, Any]]:
    model = model_of(event)
    for name in {*event.before, *event.after} if model else ():
        with suppress(FieldDoesNotExist):
            yield name, model._meta.get_field(name)  # type: ignore[union-attr]


def label_of(field: Any) -> str:
    return str(getattr(field, "verbose_name", field.name))


def in_words(values: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Stored values as their labels, where their field has a list of choices."""
    return {name: worded(value, fields.get(name)) for name, value in values.items()}


def worded(value: Any, field: Any) -> Any:
    if isinstance(value, list):
        return [worded(item, getattr(field, "base_field", field)) for item in value]
    labels = dict(getattr(field, "flatchoices", None) or ())
    return str(labels[value]) if isinstance(value, str) and value in labels else value
