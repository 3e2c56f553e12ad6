import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.utils import translation


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Tests with real transactions are undone by TRUNCATE, which append-only tables refuse."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE accounts_auditevent DISABLE TRIGGER audit_events_are_not_truncated"
        )
        cursor.execute("ALTER TABLE members_consent DISABLE TRIGGER consents_are_not_truncated")


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
