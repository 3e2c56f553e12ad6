"""Two populated enterprises, and every door of the product with a way to knock at it.

How an app registers its doors is told in tests/isolation_cases/__init__.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec

from django.apps import apps
from django.contrib import admin
from django.db import connection, models, transaction
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from scrm.accounts.models import Enterprise, User
from scrm.accounts.rules.roles import Role

APPS = ("accounts", "wecom", "communities", "members", "campaigns")


@dataclass(frozen=True)
class Call:
    """One allowed call of one door; its twins with other callers and ids are made from it."""

    row: str | None = None
    kwargs: Callable[[World], dict[str, object]] | None = None  # for URLs with more than a pk
    body: Callable[[World], object] | None = None
    answers: tuple[int, ...] = (200,)
    refusals: tuple[int, ...] = (400, 404)  # of a body that names rows of another enterprise
    query: str = ""  # for lists that have to be asked for something

    def url_kwargs(self, world: World, name: str = "pk") -> dict[str, object]:
        if self.kwargs is not None:
            return self.kwargs(world)
        return {name: world[self.row].pk} if self.row else {}

    def refers_to_its_world(self, one: World, other: World) -> bool:
        """Whether the body names rows, so that it must be refused in another enterprise."""
        return self.body is not None and self.body(one) != self.body(other)


@dataclass
class World:
    """One enterprise with a row of everything in it. ``mark`` is in every name it holds."""

    enterprise: Enterprise
    mark: str
    users: dict[str, User] = field(default_factory=dict)
    rows: dict[str, models.Model] = field(default_factory=dict)

    def __getitem__(self, name: str) -> models.Model:
        return self.rows[name]

    @property
    def administrator(self) -> User:
        return self.users[Role.ADMINISTRATOR]

    def rows_of(self, model: type[models.Model]) -> list[models.Model]:
        return [row for row in self.rows.values() if isinstance(row, model)]


@dataclass(frozen=True)
class Door:
    """One method of one route."""

    route: str
    method: str
    view: type
    action: str
    call: Call

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.route}"

    @property
    def capability(self) -> str | None:
        return getattr(self.view, "required_capabilities", {}).get(self.action)

    def url(self, world: World) -> str:
        return reverse(self.route, kwargs=self.call.url_kwargs(world)) + self.call.query

    def body(self, world: World) -> object:
        return self.call.body(world) if self.call.body else None


def case_modules() -> list:
    names = [f"tests.isolation_cases.{app}" for app in APPS if apps.is_installed(app_name(app))]
    return [import_module(name) for name in names if find_spec(name)]


def app_name(label: str) -> str:
    return f"scrm.{label}" if label in {"accounts", "wecom"} else label


def build_world(slug: str, mark: str) -> World:
    from tests.accounts.factories import EnterpriseFactory, UserFactory

    world = World(EnterpriseFactory(name=f"{mark}企业", slug=slug), mark)
    for role in Role:
        world.users[role] = UserFactory(
            enterprise=world.enterprise, username=f"{slug}-{role}", role=role
        )
    for module in case_modules():
        module.build(world)
    return world


# --- the doors of the API ---


def api_routes() -> dict[tuple[str, str], tuple[type, str]]:
    """(route name, method) -> (view class, action), for everything under /api/v1/."""
    found = {}
    for pattern, path in patterns(get_resolver()):
        if not path.startswith("api/v1/"):
            continue
        view = pattern.callback.cls
        actions = getattr(pattern.callback, "actions", None) or {
            method: method
            for method in ("get", "post", "put", "patch", "delete")
            if hasattr(view, method)
        }
        for method, action in actions.items():
            if method != "head":
                found[(pattern.name, method)] = (view, action)
    return found


def patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[URLPattern, str]]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry, path)
        else:
            yield entry, path


def api_cases() -> dict[tuple[str, str], Call]:
    return {
        (route, method): call
        for module in case_modules()
        for route, methods in module.API.items()
        for method, call in methods.items()
    }


def doors() -> list[Door]:
    cases = api_cases()
    return [
        Door(route, method, view, action, cases[route, method])
        for (route, method), (view, action) in sorted(api_routes().items())
        if (route, method) in cases
    ]


# --- the pages of the admin ---


def admin_cases() -> dict[str, str | None]:
    return {label: row for module in case_modules() for label, row in module.ADMIN.items()}


def admin_url_cases() -> dict[str, Call]:
    return {
        name: call
        for module in case_modules()
        for name, call in getattr(module, "ADMIN_URLS", {}).items()
    }


def admin_pages() -> list[tuple[admin.ModelAdmin, str | None]]:
    cases = admin_cases()
    return [
        (model_admin, cases[model._meta.label_lower])
        for model, model_admin in sorted(
            admin.site._registry.items(), key=lambda item: item[0]._meta.label_lower
        )
        if model._meta.label_lower in cases
    ]


def own_admin_urls() -> set[str]:
    """Names of the admin URLs that are not Django's or Unfold's own."""
    names = set()
    for model, model_admin in admin.site._registry.items():
        usual = {
            f"{model._meta.app_label}_{model._meta.model_name}_{page}"
            for page in ("changelist", "add", "history", "delete", "change")
        }
        names |= {url.name for url in model_admin.get_urls() if url.name} - usual
    return names


def admin_url(model_admin: admin.ModelAdmin, page: str, *arguments: object) -> str:
    options = model_admin.opts
    return reverse(f"admin:{options.app_label}_{options.model_name}_{page}", args=arguments)


# --- what must not move ---

UNIMPORTANT = {"django_session", "django_admin_log"}  # a sign-in, and the admin's own diary


# How often each table was written to in this transaction, undone or not; a partition counts for its
# table.
WRITES = """
SELECT pg_current_xact_id_if_assigned()::text, coalesce(parent.relname, written.relname),
       sum(written.n_tup_ins + written.n_tup_upd + written.n_tup_del)
FROM pg_stat_xact_user_tables written
LEFT JOIN pg_inherits ON pg_inherits.inhrelid = written.relid
LEFT JOIN pg_class parent ON parent.oid = pg_inherits.inhparent
GROUP BY 2
"""

#: By transaction and enterprise: the digest of each table, and how often it had been written to.
_known: dict[tuple[str, int | None], dict[str, tuple[int, str]]] = {}


def fingerprint(enterprise: Enterprise | None = None) -> dict[str, str]:
    """A digest of every table, or of one enterprise's rows in it.

    What was not written to since it was last looked at is not looked at again.
    """
    transaction_id, writes = written()
    key = transaction_id, enterprise.pk if enterprise else None
    if not transaction_id or any(known != transaction_id for known, _ in _known):
        _known.clear()
    known = _known.setdefault(key, {})
    stale = [
        (table, condition)
        for table, condition in watched_tables(enterprise)
        if table not in known or known[table][0] != writes.get(table, 0)
    ]
    for table, digest in digests(stale, enterprise).items():
        known[table] = writes.get(table, 0), digest
    return {table: digest for table, (_, digest) in known.items()}


def written() -> tuple[str, dict[str, int]]:
    """The transaction, and how often each table was written to in it."""
    with connection.cursor() as cursor:
        cursor.execute(WRITES)
        rows = cursor.fetchall()
    return (rows[0][0] or "") if rows else "", {table: int(count) for _, table, count in rows}


def watched_tables(enterprise: Enterprise | None) -> Iterator[tuple[str, str]]:
    """Each with the condition on its rows."""
    for model in apps.get_models(include_auto_created=True):
        table = model._meta.db_table
        if table in UNIMPORTANT or not model._meta.managed:
            continue
        columns = {field.column for field in model._meta.local_concrete_fields}
        if enterprise is None:
            yield table, "true"
        elif "enterprise_id" in columns:
            yield table, "enterprise_id = %s"


def digests(tables: list[tuple[str, str]], enterprise: Enterprise | None) -> dict[str, str]:
    if not tables:
        return {}
    row = "(to_jsonb(t) - 'last_used_at' - 'last_login')::text"
    parts = [
        f"SELECT '{table}', md5(coalesce(string_agg({row}, '|' ORDER BY {row}), ''))"
        f' FROM "{table}" t WHERE {condition}'
        for table, condition in tables
    ]
    with connection.cursor() as cursor:
        params = [enterprise.pk for _ in tables] if enterprise else None
        cursor.execute(" UNION ALL ".join(parts), params)
        return dict(cursor.fetchall())


def moved(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return sorted(table for table in before if before[table] != after[table])


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens inside has not happened afterwards."""
    _, before = written()
    kept = {key: dict(known) for key, known in _known.items()}
    block = transaction.atomic()
    block._from_testcase = True  # like the transaction of a test: verbs see none of their own
    with block:
        yield
        transaction.set_rollback(True)
    _, after = written()
    for key, known in kept.items():
        _known[key] = {
            table: (after.get(table, 0), digest)
            for table, (count, digest) in known.items()
            if count == before.get(table, 0)
        }
