import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _empty_cache():
    """No test may lean on what another one left in the cache."""
    yield
    cache.clear()
