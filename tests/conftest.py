import fcntl
import gc
import os
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations as PostgresOperations
from django.utils import translation

from tests.engines import template_note

TEMPLATE = "template_of_tests"


def pytest_sessionstart():
    """What is loaded now stays to the end: looking through all of it for garbage again and again
    took a tenth of the time."""
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)


def pytest_collection_modifyitems(items):
    """Slow tests mostly wait. Each worker begins with its share of the list, and what is left of
    it is stolen from the end: two of them begin with slow tests, which they run one after the
    other while the rest have the processors."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    slow = [item for item in items if any(item.iter_markers("slow"))]
    quick = [item for item in items if not any(item.iter_markers("slow"))]
    between = max(0, len(items) // workers - len(slow[::2]))
    items[:] = [*slow[::2], *quick[:between], *slow[1::2], *quick[between:]]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings, django_db_blocker):
    """The migrations run once; every worker's database is a copy of the result."""
    with template_note(Path(os.environ["SCRM_TEST_ENGINES"])).open("a+") as note:
        fcntl.flock(note, fcntl.LOCK_EX)
        if not note.seek(0, os.SEEK_END):
            with django_db_blocker.unblock():
                make_template()
            note.write("made")
    connection.settings_dict["TEST"]["TEMPLATE"] = TEMPLATE


def make_template():
    own = connection.settings_dict["NAME"], connection.settings_dict["TEST"]["NAME"]
    connection.settings_dict["TEST"]["NAME"] = TEMPLATE
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    connection.close()
    connection.settings_dict["NAME"], connection.settings_dict["TEST"]["NAME"] = own


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup):
    """Tests with real transactions leave their rows. Emptying the few tables that have any is ten
    times quicker than truncating all of them, and append-only tables refuse neither without
    their triggers."""
    PostgresOperations.sql_flush = delete_rows


def delete_rows(operations, style, tables, *, reset_sequences=False, allow_cascade=False):
    deletions = "".join(f"DELETE FROM {operations.quote_name(table)};" for table in tables)
    return [f"SET LOCAL session_replication_role = replica; {deletions}"] if tables else []


@pytest.fixture(autouse=True)
def _empty_cache():
    """No test may lean on what another one left in the cache."""
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _own_language():
    """A request in English leaves its thread speaking English."""
    with translation.override(settings.LANGUAGE_CODE):
        yield
