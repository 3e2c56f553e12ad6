import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
import redis

from scrm import embedded
from scrm.embedded import EngineError, Engines, engines_for_a_command, engines_lock, locate, locked
from scrm.processes import command_of, end_leftover

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture
def data():
    """A short path of our own, where the account of the server may enter."""
    folder = Path(tempfile.mkdtemp(prefix="scrm-embedded-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder / "data"
    shutil.rmtree(folder)


def answers(place):
    with psycopg.connect(place.database_url) as connection:
        connection.execute("SELECT 1")
    return redis.Redis.from_url(place.redis_url).ping()


def is_gone(pid):
    deadline = time.monotonic() + 10
    while command_of(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not command_of(pid)


def test_locate_gives_every_process_the_same_answer(data):
    assert locate(data) == locate(data)


def test_locate_keeps_the_socket_path_short_in_a_deep_checkout(tmp_path):
    place = locate(tmp_path / "very" / ("deep" * 30) / "data")

    assert len(str(place.sockets / ".s.PGSQL.5432")) < embedded.SOCKET_PATH_LIMIT


def test_engines_start_stop_and_keep_what_was_written(data):
    engines = Engines(locate(data)).start()
    place = engines.place
    with psycopg.connect(place.database_url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
    redis.Redis.from_url(place.redis_url).set("kept", "1")
    pids = [child.pid for child in engines.children]
    engines.stop()

    assert all(is_gone(pid) for pid in pids)
    again = Engines(place).start()
    try:
        with psycopg.connect(place.database_url) as connection:
            connection.execute("SELECT n FROM kept")
        assert redis.Redis.from_url(place.redis_url).get("kept") == b"1"
    finally:
        again.stop()


def test_engines_work_in_a_checkout_deeper_than_a_socket_path(data):
    engines = Engines(locate(data / ("deep" * 30))).start()
    try:
        assert answers(engines.place)
    finally:
        engines.stop()
        engines.place.sockets.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_root_leaves_the_modes_of_foreign_folders_alone(data, monkeypatch):
    home = data.parent / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setattr(embedded, "ROOT_PLACE", data.parent / "var")
    engines = Engines(locate(home / "checkout" / "data")).start()
    try:
        assert answers(engines.place)
        assert home.stat().st_mode & 0o777 == 0o700
        assert engines.place.postgres.is_relative_to(data.parent / "var")
    finally:
        engines.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root keeps the files of the server elsewhere")
def test_a_new_checkout_at_the_path_of_a_deleted_one_starts_empty(data, monkeypatch):
    home = data.parent / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setattr(embedded, "ROOT_PLACE", data.parent / "var")
    place = locate(home / "checkout" / "data")
    for attempt in range(3):
        engines = Engines(place).start()
        try:
            with psycopg.connect(place.database_url) as connection:
                found = connection.execute("SELECT to_regclass('kept')").fetchone()[0]
                connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        finally:
            engines.stop()
        assert found == (None, "kept", None)[attempt]
        if attempt == 1:
            shutil.rmtree(home / "checkout")

    assert len(list((data.parent / "var").glob("*-left-behind-*"))) == 1


def test_engines_heal_after_everything_was_killed(data):
    engines = Engines(locate(data)).start()
    for child in engines.children:
        os.killpg(child.pid, signal.SIGKILL)
        child.process.wait()

    again = Engines(engines.place).start()
    try:
        assert answers(again.place)
    finally:
        again.stop()


def test_engines_heal_when_the_pid_of_a_killed_server_belongs_to_somebody_else(data):
    engines = Engines(locate(data)).start()
    engines.stop()
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    pid_file = engines.place.postgres / "postmaster.pid"
    pid_file.write_text(f"{bystander.pid}\n{engines.place.postgres}\n0\n5432\n/tmp\n\n\nready\n")
    try:
        engines.start()
        engines.stop()

        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_engines_die_with_a_parent_that_is_killed(data):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(data)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    pids = [int(word) for word in parent.stdout.readline().split()]
    parent.kill()
    parent.wait()
    parent.stdout.close()

    assert len(pids) == 2
    assert all(is_gone(pid) for pid in pids)


PARENT = """
import sys, time
from pathlib import Path
from scrm.embedded import Engines, locate
engines = Engines(locate(Path(sys.argv[1])), durable=False).start()
print(*[child.pid for child in engines.children], flush=True)
time.sleep(60)
"""


def test_a_command_uses_the_engines_that_somebody_else_has(data):
    place = locate(data)
    with engines_for_a_command(Engines(place)):
        owner_pid = (place.postgres / "postmaster.pid").read_text().splitlines()[0]

        with engines_for_a_command(Engines(place)):
            assert answers(place)

        assert answers(place)
        assert (place.postgres / "postmaster.pid").read_text().splitlines()[0] == owner_pid
    assert not (place.postgres / "postmaster.pid").exists()


def test_a_lock_is_free_again_when_its_holder_died(data):
    lock = engines_lock(locate(data))
    lock.parent.mkdir(parents=True)
    code = f"""
import time
from pathlib import Path
from scrm.embedded import locked
with locked(Path({str(lock)!r})) as held:
    print(held is not None, flush=True)
    time.sleep(60)
"""
    holder = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"True\n"
    with locked(lock) as held:
        assert held is None

    holder.kill()
    holder.wait()
    holder.stdout.close()

    with locked(lock) as held:
        assert held is not None


def test_a_missing_wheel_is_explained(data, monkeypatch):
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(EngineError, match="Set DATABASE_URL and REDIS_URL"):
        Engines(locate(data)).start()


def test_end_leftover_spares_a_process_without_the_mark():
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert not end_leftover(bystander.pid, mark="/data/of/ours", stop_signal=signal.SIGTERM)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
