"""The house tests itself: what a newcomer would otherwise have to be told."""

import ast
import inspect
from functools import cache
from pathlib import Path

import pytest
from celery import current_app
from django.apps import apps
from django.conf import settings
from django.db import models
from django.urls import URLPattern, get_resolver
from rest_framework.views import APIView

from scrm.accounts.api.permissions import CapabilityPermission
from scrm.schedule import SCHEDULE

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("scrm", "communities", "members", "campaigns")
TOP_LEVEL = {
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "Dockerfile",
    "docker-compose.yml", "manage.py", "pyproject.toml", "requirements.lock",
    "requirements-prod.lock", "openapi.yaml", "scrm", "communities", "members", "campaigns",
    "bench", "clients", "docs", "locale", "tests",
}  # fmt: skip
# Names that say nothing: a module is named for what it does.
JUNK_DRAWERS = {"utils.py", "helpers.py", "common.py", "base.py", "misc.py"}
FULL_INITS = {
    "scrm/__init__.py",  # loads the Celery application
    "members/criteria/__init__.py",  # an engine with one face: what other rooms may use of it
    "members/metrics/__init__.py",  # likewise
    "scrm/wecom/client/__init__.py",  # likewise: a client, and what it may answer
}
READS_ENVIRONMENT = {
    "scrm/env.py",
    "scrm/celery.py",
    "scrm/wsgi.py",
    "scrm/launcher.py",
    "scrm/probe.py",
    "scrm/shared/management/commands/doctor.py",  # the language of the terminal
    "scrm/wecom/management/commands/wecom_simulator.py",  # becomes the server, and tells it
    "scrm/wecom/simulator/server.py",  # where its state is kept
}


def source_files():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path, path.relative_to(ROOT).as_posix()


@cache
def trees():
    return [(name, ast.parse(path.read_text(encoding="utf-8"))) for path, name in source_files()]


def our_models():
    return [model for model in apps.get_models() if model.__module__.startswith(PACKAGES)]


def api_views():
    def walk(patterns):
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                view = getattr(pattern.callback, "cls", None)
                if view and issubclass(view, APIView) and view.__module__.startswith(PACKAGES):
                    yield view, getattr(pattern.callback, "actions", None)
            else:
                yield from walk(pattern.url_patterns)

    return list(walk(get_resolver().url_patterns))


def our_tasks():
    current_app.loader.import_default_modules()
    return {
        name: task
        for name, task in current_app.tasks.items()
        if task.__module__.startswith(PACKAGES)
    }


# --- Doors --------------------------------------------------------------------------------------


def test_every_api_view_asks_for_a_capability():
    views = api_views()

    assert views
    assert [
        view.__name__
        for view, _ in views
        if not any(issubclass(each, CapabilityPermission) for each in view.permission_classes)
    ] == []


def test_every_action_of_every_api_view_names_its_capability():
    undeclared = set()
    for view, actions in api_views():
        methods = actions.values() if actions else view_methods(view)
        for action in methods:
            if action not in getattr(view, "required_capabilities", {}):
                undeclared.add(f"{view.__name__}.{action}")

    assert sorted(undeclared) == []


def view_methods(view):
    return [name for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name)]


def test_every_viewset_scopes_its_rows_to_the_user():
    unscoped = {
        view.__name__
        for view, actions in api_views()
        if actions and "visible_to" not in inspect.getsource(view.get_queryset)
    }

    assert sorted(unscoped) == []


# --- Tables -------------------------------------------------------------------------------------


def test_every_constraint_explains_itself():
    silent = [
        f"{model.__name__}.{constraint.name}"
        for model in our_models()
        for constraint in model._meta.constraints
        if constraint.violation_error_message == constraint.default_violation_error_message
    ]

    assert silent == []


def test_every_foreign_key_has_a_related_name():
    unnamed = [
        f"{model.__name__}.{field.name}"
        for model in our_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey | models.ManyToManyField)
        and field.model is model
        and field.remote_field.related_name is None
        and field.related_model.__module__.startswith(PACKAGES)
    ]

    assert unnamed == []


def test_no_model_has_a_hidden_order():
    assert [model.__name__ for model in our_models() if model._meta.ordering] == []


def test_foreign_keys_point_down_only():
    order = ["shared", "accounts", "wecom", "communities", "members", "campaigns"]
    upward = [
        f"{model._meta.label} -> {field.related_model._meta.label}"
        for model in our_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey)
        and field.related_model._meta.app_label in order
        and order.index(field.related_model._meta.app_label) > order.index(model._meta.app_label)
    ]

    assert upward == []


# --- Jobs ---------------------------------------------------------------------------------------


def test_every_task_has_a_name_of_its_own():
    wrong = [
        name
        for name, task in our_tasks().items()
        if name != f"{app_of(task)}.{task.__name__}" or name.startswith(task.__module__)
    ]

    assert wrong == []


def app_of(task):
    return task.__module__.removeprefix("scrm.").split(".")[0]


def test_every_task_goes_to_a_queue_that_exists():
    route = current_app.amqp.router.route
    queues = {name: route({}, name)["queue"].name for name in our_tasks()}

    assert set(queues.values()) <= set(settings.CELERY_TASK_QUEUES)


def test_every_schedule_entry_points_to_a_task():
    assert sorted({entry["task"] for entry in SCHEDULE.values()} - set(our_tasks())) == []


def test_every_sweep_is_scheduled():
    sweeps = {name for name in our_tasks() if ".sweep_" in name}

    assert sorted(sweeps - {entry["task"] for entry in SCHEDULE.values()}) == []


def test_nothing_waits_inside_the_broker():
    """A due time is a row; a message with one would be delivered again and again."""
    found = [
        f"{name}:{node.lineno}"
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and any(keyword.arg in {"eta", "countdown"} for keyword in node.keywords)
    ]

    assert found == []


# --- Files --------------------------------------------------------------------------------------


def test_the_top_of_the_tree_holds_only_what_belongs_there():
    there = {path.name for path in ROOT.iterdir() if not path.name.startswith((".", "__"))}

    assert sorted(there - TOP_LEVEL) == []


def test_there_is_no_junk_drawer():
    assert [name for path, name in source_files() if path.name in JUNK_DRAWERS] == []


def test_packages_hide_nothing_in_their_init():
    full = [
        name
        for path, name in source_files()
        if path.name == "__init__.py"
        and path.parent.name not in {"models", "admin"}  # these must name what they hold
        and name not in FULL_INITS
        and ast.parse(path.read_text(encoding="utf-8")).body
    ]

    assert full == []


def test_only_the_settings_read_the_environment():
    readers = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"environ", "getenv"}
        and isinstance(node.value, ast.Name)  # a WSGI request has an environ, too
    }

    assert sorted(readers - READS_ENVIRONMENT) == []


@pytest.mark.parametrize("word", ["pre_save", "post_save", "pre_delete", "post_delete"])
def test_domain_work_never_hangs_on_model_signals(word):
    users = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.alias) and node.name == word
    }

    assert sorted(users) == []


def test_models_do_not_override_save_or_delete():
    overriding = [
        f"{model.__name__}.{name}"
        for model in our_models()
        for name in ("save", "delete")
        if name in vars(model)
    ]

    assert overriding == []
