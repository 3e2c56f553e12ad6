"""The tests' own PostgreSQL and Valkey: one pair per run, shared by the parallel workers.

Called by tests/settings.py, because a database must be known before Django's settings are read.
Parallel workers inherit the two variables and start nothing. The pair dies with this process.

A cluster in which the migrations have run is kept in the virtual environment, under a digest of
the migrations: the next run with the same ones begins with a copy of it.
"""

import atexit
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import django

from scrm.embedded import Engines, Place, locate, versions

PREFIX = "scrm-test-"
KEPT = Path(sys.prefix) / "scrm-tests"
KEPT_CLUSTERS = 3
ROOT = Path(__file__).resolve().parents[1]


def own_engines() -> None:
    if os.environ.get("SCRM_TEST_ENGINES"):
        return
    _remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
    folder.chmod(0o711)  # as root, PostgreSQL runs as another user and must pass through
    lock = (folder / "alive").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    place = locate(folder / "data")
    kept = _kept_cluster()
    _begin_with(kept, place)
    engines = Engines(place, durable=False).start()
    os.environ["SCRM_TEST_ENGINES"] = str(place.data)
    os.environ["SCRM_DATA_DIR"] = str(place.data)
    os.environ["DATABASE_URL"] = place.database_url
    os.environ["REDIS_URL"] = place.redis_url
    atexit.register(_stop, engines, folder, lock, os.getpid(), kept)


def _stop(engines, folder, lock, owner, kept):
    if os.getpid() == owner:  # a forked child runs the same exit functions
        engines.stop()
        if kept == _kept_cluster():  # no migration was edited meanwhile
            _keep(engines.place, kept)
        lock.close()
        shutil.rmtree(folder, ignore_errors=True)


def template_note(place_data: Path) -> Path:
    """Not empty when the cluster has a migrated database to copy; locked while one is made."""
    return place_data / "template.note"


def _kept_cluster() -> Path:
    digest = hashlib.sha256(f"{django.VERSION} {versions()}".encode())
    for path in sorted([*ROOT.glob("*/migrations/*.py"), *ROOT.glob("scrm/*/migrations/*.py")]):
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return KEPT / digest.hexdigest()[:20]


def _begin_with(kept: Path, place: Place) -> None:
    if not kept.exists() or place.postgres.exists():
        return
    place.postgres.parent.mkdir(parents=True, exist_ok=True)
    if _copy(kept, place.postgres):
        template_note(place.data).write_text("kept")


def _keep(place: Place, kept: Path) -> None:
    note = template_note(place.data)
    if kept.exists() or not note.exists() or not note.read_text():
        return
    try:
        KEPT.mkdir(exist_ok=True)
    except OSError:
        return
    partial = KEPT / f"{kept.name}.{os.getpid()}"
    if _copy(place.postgres, partial):
        with contextlib.suppress(OSError):  # somebody else was first
            partial.rename(kept)
        shutil.rmtree(partial, ignore_errors=True)
    for old in sorted(KEPT.iterdir(), key=lambda path: path.stat().st_mtime)[:-KEPT_CLUSTERS]:
        shutil.rmtree(old, ignore_errors=True)


def _copy(source: Path, target: Path) -> bool:
    """With owners and modes, or not at all."""
    done = subprocess.run(["cp", "-a", source, target], capture_output=True, check=False)
    if done.returncode:
        shutil.rmtree(target, ignore_errors=True)
    return done.returncode == 0


def _remove_leftovers() -> None:
    """A killed run could not tidy up; its lock is free, so its folder may go."""
    for folder in Path("/tmp").glob(f"{PREFIX}*"):
        try:
            with (folder / "alive").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
