import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from tests.campaigns.broadcasts import due_broadcast, populate
from tests.chaos.gateway import SECRET
from tests.chaos.site import SEED, Site, engines_at, gateway_process, say
from tests.wecom.factories import ChannelAccountFactory


@pytest.fixture(scope="session")
def gateway():
    with gateway_process() as url:
        yield url


@pytest.fixture
def folder():
    """Short, because sockets lie in it, and open to the user that PostgreSQL runs as."""
    path = Path(tempfile.mkdtemp(prefix="scrm-chaos-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def site(transactional_db, gateway, folder):
    """An installation for one broadcast: ``with site("LedgerChannel", broadcast) as running: …``"""

    @contextmanager
    def open_site(channel, broadcast, *, engines=None, **gateway_wishes):
        engines = engines or engines_at(folder / "data", with_postgres=False).start()
        running = Site(folder, channel, engines, gateway, refs_of(broadcast))
        running.reset_gateway(**gateway_wishes)
        say(f"seed {SEED}")
        try:
            yield running
        finally:
            running.stop()
            engines.stop()
            connection.close()

    return open_site


@pytest.fixture
def audience(transactional_db, gateway):
    """A due broadcast through the gateway to so many members."""

    def build(members, **values):
        broadcast = due_broadcast(members=0, body="你好，{{昵称}}", **values)
        broadcast.channel_account = ChannelAccountFactory(
            enterprise=broadcast.enterprise,
            kind="webhook",
            endpoint=f"{gateway}/send",
            secret=SECRET,
        )
        broadcast.save(update_fields=["channel_account"])
        populate(broadcast.communities.get(), members)
        return broadcast

    return build


def refs_of(broadcast):
    members = broadcast.communities.get().memberships.active()
    return set(members.values_list("member__external_id", flat=True))
