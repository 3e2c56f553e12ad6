"""The tests' own PostgreSQL and Valkey: one pair per run, shared by the parallel workers.

Called by tests/settings.py, because a database must be known before Django's settings are read.
Parallel workers inherit the two variables and start nothing. The pair dies with this process.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from scrm.embedded import Engines, locate

PREFIX = "scrm-test-"


def own_engines() -> None:
    if os.environ.get("SCRM_TEST_ENGINES"):
        return
    _remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
    folder.chmod(0o711)  # as root, PostgreSQL runs as another user and must pass through
    lock = (folder / "alive").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    place = locate(folder / "data")
    engines = Engines(place, durable=False).start()
    os.environ["SCRM_TEST_ENGINES"] = str(place.data)
    os.environ["SCRM_DATA_DIR"] = str(place.data)
    os.environ["DATABASE_URL"] = place.database_url
    os.environ["REDIS_URL"] = place.redis_url
    atexit.register(_stop, engines, folder, lock, os.getpid())


def _stop(engines, folder, lock, owner):
    if os.getpid() == owner:  # a forked child runs the same exit functions
        engines.stop()
        lock.close()
        shutil.rmtree(folder, ignore_errors=True)


def _remove_leftovers() -> None:
    """A killed run could not tidy up; its lock is free, so its folder may go."""
    for folder in Path("/tmp").glob(f"{PREFIX}*"):
        try:
            with (folder / "alive").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
