"""The admin's half of the two-enterprise matrix: every page, choice, action and button of it."""

import re
from contextlib import contextmanager, nullcontext
from html import unescape
from unittest.mock import patch
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.messages import get_messages
from django.forms import ModelChoiceField
from django.template.response import SimpleTemplateResponse
from django.test import Client
from django.urls import reverse

from scrm.accounts.models import User
from scrm.accounts.rules.roles import Role
from tests.isolation import (
    admin_cases,
    admin_pages,
    admin_url,
    admin_url_cases,
    build_world,
    fingerprint,
    moved,
    own_admin_urls,
    undone,
)

OURS, THEIRS = "SecretOfJia7Qx", "SecretOfYi3Zk"  # ASCII: some pages escape anything else
DIALOG = {"_form_submitted": "on"}


@pytest.fixture
def worlds(db):
    return build_world("ours", OURS), build_world("theirs", THEIRS)


class Browser(Client):
    """Sees no page after a redirect, so what it is told would pile up in its cookie.

    ``looks=False``: of a page only the status counts, so it is not drawn.
    """

    def __init__(self, *, looks=True):
        super().__init__(raise_request_exception=False)
        self.looks = looks

    def request(self, **request):
        with nullcontext() if self.looks else undrawn():
            response = super().request(**request)
        self.cookies.pop("messages", None)
        return response


@contextmanager
def undrawn():
    def leave_empty(response):
        response.content = b""
        return response

    with patch.object(SimpleTemplateResponse, "render", leave_empty):
        yield


def client_of(user, *, looks=True):
    client = Browser(looks=looks)
    client.force_login(User.objects.get(pk=user.pk))
    return client


def text_of(response):
    """What can be read of an answer, be it a picture or a file that is streamed."""
    return unescape(response.getvalue().decode(errors="replace"))


def pages_with_a_row():
    return [(model_admin, row) for model_admin, row in admin_pages() if row]


def may_see(model_admin, user):
    class Request:
        pass

    request = Request()
    request.user = User.objects.get(pk=user.pk)
    return model_admin.has_view_permission(request)


def actions_of(model_admin):
    return [action.name for action in model_admin._get_base_actions()]


def test_every_model_in_the_admin_has_a_case():
    assert set(admin_cases()) == {model._meta.label_lower for model in admin.site._registry}


def test_every_own_url_of_the_admin_has_a_case():
    assert own_admin_urls() == set(admin_url_cases())


def test_every_action_and_button_names_the_permission_it_needs():
    unguarded = [
        f"{model_admin} {action.__name__}"
        for model_admin in admin.site._registry.values()
        for action in all_actions(model_admin)
        if not getattr(action, "allowed_permissions", None)
    ]
    assert unguarded == []


def test_every_button_asks_before_it_acts():
    """Without a dialog a button of Unfold is a link, and a link must not change anything."""
    links = [
        f"{model_admin} {action.__name__}"
        for model_admin in admin.site._registry.values()
        for action in buttons(model_admin)
        if not getattr(action, "dialog", None)
    ]
    assert links == []


def all_actions(model_admin):
    return [action.func for action in model_admin._get_base_actions()] + buttons(model_admin)


def buttons(model_admin):
    groups = (
        model_admin._get_base_actions_list(),
        model_admin._get_base_actions_detail(),
        model_admin._get_base_actions_row(),
        model_admin._get_base_actions_submit_line(),
    )
    return [action.method for group in groups for action in group]


def test_the_administrator_opens_every_page_of_his_own(worlds):
    ours, _theirs = worlds
    client = client_of(ours.administrator)
    failures = []
    before = fingerprint()
    for model_admin, row in admin_pages():
        pages = [("changelist", [])]
        if row:
            pages += [("change", [ours[row].pk]), ("history", [ours[row].pk])]
        for page, arguments in pages:
            response = client.get(admin_url(model_admin, page, *arguments))
            if response.status_code != 200:
                failures.append(f"{model_admin} {page}: {response.status_code}")
            if page == "change" and OURS not in text_of(response):
                failures.append(f"{model_admin}: the page of our own row does not show it")
    assert failures == []
    assert moved(before, fingerprint()) == []


def test_an_add_page_opens_or_is_forbidden(worlds):
    ours, _theirs = worlds
    client = client_of(ours.administrator)
    answers = {
        str(model_admin): client.get(admin_url(model_admin, "add")).status_code
        for model_admin, _row in admin_pages()
    }
    assert set(answers.values()) <= {200, 403}
    assert 200 in answers.values()


READS_PAGES = {Role.OPERATOR, Role.ANALYST}  # what opens for the others opens for these


@pytest.mark.parametrize("role", sorted({*Role.values} - {Role.ADMINISTRATOR}))
def test_a_role_sees_the_pages_of_its_capabilities_and_no_other(worlds, role):
    ours, _theirs = worlds
    client = client_of(ours.users[role], looks=role == Role.OPERATOR)  # who lives here all day
    failures = []
    before = fingerprint()
    for model_admin, row in admin_pages():
        expected = 200 if may_see(model_admin, ours.users[role]) else 403
        urls = [admin_url(model_admin, "changelist")]
        if row:
            urls.append(admin_url(model_admin, "change", ours[row].pk))
            if expected == 403:  # where it opens it is the administrator's
                urls.append(admin_url(model_admin, "history", ours[row].pk))
        if expected == 200 and role not in READS_PAGES:
            urls = urls[-1:]
        for url in urls:
            status = client.get(url).status_code
            if status != expected:
                failures.append(f"{url}: {status}, not {expected}")
    assert failures == []
    assert moved(before, fingerprint()) == []


def test_who_is_not_signed_in_is_sent_to_the_login(worlds):
    ours, _theirs = worlds
    client = Client()
    for model_admin, row in admin_pages():
        for page, arguments in [("changelist", []), ("add", [])] + (
            [("change", [ours[row].pk]), ("delete", [ours[row].pk])] if row else []
        ):
            response = client.get(admin_url(model_admin, page, *arguments))
            assert response.status_code == 302
            assert response.url.startswith(reverse("admin:login"))


def test_a_stranger_sees_only_his_own_rows_in_every_list(worlds):
    _ours, theirs = worlds
    client = client_of(theirs.administrator)
    failures = []
    for model_admin, _row in admin_pages():
        for query in ("", f"?q={OURS[:-1]}"):
            response = client.get(admin_url(model_admin, "changelist") + query)
            if response.status_code not in {200, 302} or OURS in text_of(response):
                failures.append(f"{model_admin} {query}: {response.status_code}")
    for query in (OURS[:-1], THEIRS[:-1]):
        response = client.get(reverse("admin:search"), {"s": query, "extended": "1"})
        if response.status_code != 200 or OURS in text_of(response):
            failures.append(f"search {query}: {response.status_code}")
    assert failures == []


def test_a_stranger_finds_no_page_of_our_rows(worlds):
    ours, theirs = worlds
    client = client_of(theirs.administrator)
    failures = []
    before = fingerprint()
    for model_admin, row in pages_with_a_row():
        for page in ("change", "history", "delete"):
            url = admin_url(model_admin, page, ours[row].pk)
            for response in (client.get(url), client.post(url, {"post": "yes", "_save": "1"})):
                # Django sends whoever asks for a row that is not there to the index
                if response.status_code not in {302, 403, 404} or OURS in text_of(response):
                    failures.append(f"{url}: {response.status_code}")
                if response.status_code == 302 and response.url != reverse("admin:index"):
                    failures.append(f"{url}: sent to {response.url}")
    assert failures == []
    assert moved(before, fingerprint()) == []


def test_no_form_offers_a_stranger_a_row_of_ours(worlds):
    """Neither as a choice, nor by its id in the address, nor through an autocompletion."""
    ours, theirs = worlds
    client = client_of(theirs.administrator)
    failures, tried = [], 0
    for model_admin, row in admin_pages():
        targets = [("add", [])] + ([("change", [theirs[row].pk])] if row else [])
        for page, arguments in targets:
            url = admin_url(model_admin, page, *arguments)
            response = client.get(url)
            named = {}
            for field_name, field in relation_fields(response):
                foreign = ours.rows_of(field.queryset.model)
                tried += len(foreign)
                if field.queryset.filter(pk__in=[row.pk for row in foreign]).exists():
                    failures.append(f"{model_admin} {page} offers our {field_name}")
                named[field_name] = [row.pk for row in foreign[:2]]
            for number in range(max(map(len, named.values()), default=0)):
                query = {name: pks[number % len(pks)] for name, pks in named.items() if pks}
                if OURS in text_of(client.get(f"{url}?{urlencode(query)}")):
                    failures.append(f"{model_admin} {page}?{query} names our row")
            if OURS in text_of(response):
                failures.append(f"{model_admin} {page} shows our mark")
    assert failures == []
    assert tried


def test_no_autocompletion_offers_a_stranger_a_row_of_ours(worlds):
    ours, theirs = worlds
    stranger, owner = client_of(theirs.administrator), client_of(ours.administrator)
    failures, tried = [], 0
    for model_admin, _row in admin_pages():
        for name in model_admin.autocomplete_fields:
            options = model_admin.opts
            query = {
                "app_label": options.app_label,
                "model_name": options.model_name,
                "field_name": name,
            }
            for term in ("", OURS[:-1]):
                url = reverse("admin:autocomplete")
                asked = {**query, "term": term}
                foreign, own = stranger.get(url, asked), owner.get(url, asked)
                tried += 1
                if OURS in text_of(foreign) or own.status_code != 200:
                    failures.append(f"{model_admin} {name} {term!r}")
    assert failures == []
    assert tried


def test_a_form_saves_for_its_administrator_and_refuses_rows_of_another_enterprise(worlds):
    ours, theirs = worlds
    client = client_of(theirs.administrator)
    failures, tried = [], 0
    for model_admin, row in pages_with_a_row():
        url = admin_url(model_admin, "change", theirs[row].pk)
        page = client.get(url)
        if page.status_code != 200 or not page.context["has_change_permission"]:
            continue
        with undone():
            saved = client.post(url, form_data(page) | {"_save": "1"})
        if saved.status_code != 302:
            errors = saved.context["adminform"].form.errors if saved.context else ""
            failures.append(f"{model_admin}: cannot be saved: {saved.status_code} {errors}")
        for name, field in relation_fields(page):
            for foreign in ours.rows_of(field.queryset.model)[:1]:
                tried += 1
                before = fingerprint()
                with undone():
                    answer = client.post(url, form_data(page) | {name: foreign.pk, "_save": "1"})
                    touched = moved(before, fingerprint())
                if answer.status_code != 200 or touched:
                    failures.append(f"{model_admin} {name}: {answer.status_code} {touched}")
    assert failures == []
    assert tried


def relation_fields(page):
    if page.status_code != 200:
        return []
    found = list(page.context["adminform"].form.fields.items())
    for formset in page.context["inline_admin_formsets"]:
        if not (formset.has_add_permission or formset.has_change_permission):
            continue  # Django reads nothing of an inline that is only shown
        for form in formset.formset.forms:
            found += [(form.add_prefix(name), field) for name, field in form.fields.items()]
    return [(name, field) for name, field in found if isinstance(field, ModelChoiceField)]


def form_data(page):
    """What the browser would send back if nothing on the page were touched."""
    forms = [page.context["adminform"].form]
    for formset in page.context["inline_admin_formsets"]:
        forms += [formset.formset.management_form, *formset.formset.forms]
    return {
        name: part
        for form in forms
        for bound in form
        for name, part in decomposed(bound.html_name, bound.value(), bound.field.widget)
    }


def decomposed(name, value, widget):
    if hasattr(widget, "decompress") and hasattr(widget, "widgets"):
        parts = widget.decompress(value)
        names = widget.widgets_names
        return [(name + n, "" if p is None else p) for n, p in zip(names, parts, strict=True)]
    if getattr(widget, "input_type", "") == "checkbox" and not getattr(
        widget, "allow_multiple_selected", False
    ):
        return [(name, "on")] if value else []
    if value is None:
        return []
    return [(name, value)]


def test_an_action_moves_no_row_of_another_enterprise(worlds):
    ours, theirs = worlds
    stranger, owner, reader = (
        client_of(theirs.administrator, looks=False),
        client_of(ours.administrator),
        client_of(ours.users[Role.READ_ONLY], looks=False),
    )
    failures, tried = [], 0
    before = fingerprint()
    for model_admin, row in pages_with_a_row():
        for action in actions_of(model_admin):
            tried += 1
            data = {"action": action, "_selected_action": [ours[row].pk], "post": "yes"}
            url = admin_url(model_admin, "changelist")
            with undone():
                stranger.post(url, data)
                touched = moved(before, fingerprint())
            with undone():
                own = owner.post(url, data)
            with undone():
                reader.post(url, data)
                touched += moved(before, fingerprint())
            if touched or own.status_code not in {200, 302}:
                failures.append(f"{model_admin} {action}: {own.status_code} {touched}")
    assert failures == []
    assert tried


def test_an_address_without_a_row_is_never_an_error(worlds):
    ours, _theirs = worlds
    client = client_of(ours.administrator)
    urls = [
        admin_url(model_admin, page, "anything")
        for model_admin, row in pages_with_a_row()
        for page in ("change", "history", "delete")
    ]
    urls += [
        reverse(f"admin:{name}", kwargs={"object_id": "anything"})
        for name, call in admin_url_cases().items()
        if call.row and not call.kwargs
    ]
    wrong_ids = ("abc", "0", "9" * 30, "%00", "%ED%A0%80", "_0A")
    failures = []
    for number, url in enumerate(urls):  # each address gets some of them, each of them addresses
        wrong = wrong_ids[number % 6]
        address = url.replace("/anything/", f"/{wrong}/")
        answers = client.get(address).status_code, client.post(address, DIALOG).status_code
        if max(answers) >= 500:
            failures.append(f"{address}: {answers}")
    assert failures == []


def test_a_button_works_for_its_administrator_and_for_no_stranger_and_no_reader(worlds):
    ours, theirs = worlds
    owner = client_of(ours.administrator)
    outsiders = [
        (user, client_of(user)) for user in (theirs.administrator, ours.users[Role.READ_ONLY])
    ]
    failures = []
    before = fingerprint()
    for name, call in admin_url_cases().items():
        url = reverse(f"admin:{name}", kwargs=call.url_kwargs(ours, "object_id"))
        data = DIALOG | (call.body(ours) if call.body else {})
        # a button that is about no row may move what is the stranger's own
        whose = None if call.row else ours.enterprise
        seen = fingerprint(whose) if whose else before
        for outsider, client in outsiders:
            with undone():
                looked, pressed = client.get(url), client.post(url, data)
                touched = moved(seen, fingerprint(whose))
            refused = {looked.status_code, pressed.status_code} <= {302, 403, 404}
            is_leak = call.row or outsider.enterprise_id != ours.enterprise.pk
            if touched or (is_leak and OURS in text_of(looked) + text_of(pressed)):
                failures.append(f"{name}: {looked.status_code} {pressed.status_code} {touched}")
            if outsider.enterprise_id == ours.enterprise.pk and call.row and not refused:
                failures.append(f"{name}: a reader got {pressed.status_code}")
        with undone():
            looked = owner.get(url)
            unmoved = moved(before, fingerprint())
            pressed = owner.post(url, data)
            said = " ".join(str(message) for message in get_messages(pressed.wsgi_request))
        if looked.status_code != 200 or unmoved:
            failures.append(f"{name}: looking gave {looked.status_code} and moved {unmoved}")
        if pressed.status_code not in {200, 302} or re.search("Traceback", text_of(pressed)):
            failures.append(f"{name}: pressing gave {pressed.status_code} {said}")
    assert failures == []
