"""`make up`: engines, migrations, demonstration data, the simulated WeCom, web, workers and beat.

All of it from one terminal.

Everything started here is a child bound to this process: it ends with it, however it ends. The
data folder has one lock, so a second start says where the first one is. Run again, it continues.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from scrm.commands import embedded_engines
from scrm.embedded import EngineError, Engines, engines_lock, locked, versions
from scrm.processes import Child, end_leftover, start

HEALTHY_WITHIN = 90.0
LOCK_PATIENCE = 30.0
PORT_PATIENCE = 5.0
STOP_PATIENCE = 30.0
STEADY_AFTER = 60.0  # a process that ran this long and dies starts again at once
LONGEST_PAUSE = 30.0
STEPS = 6
HEARTBEATS = 5  # of each of three workers, of beat, and of a task that beat sent
LOG_LIMIT = 10_000_000

DJANGO = (sys.executable, "-m", "django")  # unlike manage.py it leaves the engines to us

CHINESE = next(
    (os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), ""
).startswith("zh")


def say(chinese: str, english: str) -> str:
    return chinese if CHINESE else english


class Stopped(Exception):
    """Somebody asked us to stop."""


class CannotStart(Exception):
    """The message tells a person what is in the way and what to do."""


# --- What runs ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Service:
    """One program of the product, as a command line."""

    name: str
    command: tuple[str, ...]
    death_signal: signal.Signals | None = None

    @property
    def pid_file(self) -> Path:
        return settings.DATA_DIR / "pids" / f"{self.name}.pid"


def services() -> list[Service]:
    """A worker whose broker died with us never finishes to stop politely, so it is killed; what
    it was doing is a row that the next start finds."""
    python = (sys.executable, "-m")
    celery = (*python, "celery", "-A", "scrm")
    simulator = service("simulator", *DJANGO, "wecom_simulator",
                        "--port", str(settings.SIMULATOR_PORT),
                        "--state", str(settings.SIMULATOR_STATE),
                        pid_option="--pid-file")  # fmt: skip
    return [
        *([simulator] if settings.SIMULATOR_IS_OURS else []),
        service("web", *python, "granian", "--interface", "wsgi", "scrm.wsgi:application",
                "--host", settings.BIND, "--port", str(settings.PORT), "--no-ws",
                "--workers", str(settings.WEB_WORKERS), "--blocking-threads", "4",
                "--respawn-failed-workers", "--workers-kill-timeout", "10",
                pid_option="--pid-file"),
        service("worker-quick", *celery, "worker", "-P", "prefork", "-c", "2",
                "-Q", "callbacks,welcome,sweep", "-n", "quick@%h",
                "--without-gossip", "--without-mingle", pid_option="--pidfile",
                death_signal=signal.SIGKILL),
        service("worker-drain", *celery, "worker", "-P", "prefork",
                "-c", str(settings.DRAIN_WORKERS), "-Q", "drain", "-n", "drain@%h",
                "--without-gossip", "--without-mingle", pid_option="--pidfile",
                death_signal=signal.SIGKILL),
        service("worker-bulk", *celery, "worker", "-P", "prefork", "-c", "2",
                "-Q", "bulk", "-n", "bulk@%h",
                "--without-gossip", "--without-mingle", pid_option="--pidfile",
                death_signal=signal.SIGKILL),
        service("beat", *celery, "beat", "-S", "scrm.beat.BeatingScheduler",
                pid_option="--pidfile"),
    ]  # fmt: skip


def service(
    name: str, *command: str, pid_option: str, death_signal: signal.Signals | None = None
) -> Service:
    pid_file = str(Service(name, command).pid_file)
    return Service(name, (*command, pid_option, pid_file), death_signal)


@dataclass
class Supervised:
    """A service with its running process, and what we remember of its deaths."""

    service: Service
    child: Child
    started_at: float
    pause: float = 1.0
    due_at: float | None = None


# --- The launcher -------------------------------------------------------------------------------


@dataclass
class Launcher:
    console: Console
    engines: Engines
    running: list[Supervised] = field(default_factory=list)
    helper: Child | None = None
    stopping: bool = False
    step: int = 0
    access: dict[str, str] = field(default_factory=dict)

    def run(self) -> int:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self.ask_to_stop)
        try:
            with self.only_one():
                self.make_sure_the_ports_are_free()
                try:
                    self.bring_up()
                    self.watch()
                finally:
                    self.take_down()
        except Stopped:
            self.console.print(say("已全部停止。", "Everything has stopped."))
        except (CannotStart, EngineError) as error:
            self.console.print(
                f"[red]{say('无法启动', 'Cannot start')}[/red]  {error}", highlight=False
            )
            return 1
        return 0

    def ask_to_stop(self, *_: object) -> None:
        self.stopping = True

    def breathe(self, seconds: float = 0.1) -> None:
        """Every wait goes through here, so a request to stop is heard anywhere."""
        if self.stopping:
            raise Stopped
        time.sleep(seconds)

    # Locks ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def only_one(self) -> Iterator[None]:
        data = settings.DATA_DIR
        try:
            data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotStart(
                say(
                    f"数据目录 {data} 不可用：{error}",
                    f"The data folder {data} cannot be used: {error}",
                )
            ) from error
        with locked(data / "up.lock") as held:
            if held is None:
                raise CannotStart(self.who_is_running((data / "up.lock").read_text()))
            held.truncate(0)
            held.write(f"{os.getpid()}\n{self.address()}\n")
            held.flush()
            with self.engines_to_ourselves():
                yield

    def who_is_running(self, note: str) -> str:
        pid, address = ([*note.split(), "?", "?"])[:2]
        return say(
            f"这个数据目录已经有一个在运行（进程 {pid}）：{address}/admin/\n"
            f"  先在那个终端按 Ctrl-C，或执行 kill {pid}。"
            "另开一套：SCRM_DATA_DIR=目录 SCRM_PORT=端口 make up",
            f"It is already running from this data folder (process {pid}): {address}/admin/\n"
            f"  Press Ctrl-C over there or run: kill {pid}. For a second one beside it:"
            " SCRM_DATA_DIR=folder SCRM_PORT=port make up",
        )

    @contextlib.contextmanager
    def engines_to_ourselves(self) -> Iterator[None]:
        """A management command may have the engines for a moment."""
        deadline = time.monotonic() + LOCK_PATIENCE
        while True:
            with locked(engines_lock(self.engines.place)) as held:
                if held is not None:
                    yield
                    return
            if time.monotonic() > deadline:
                raise CannotStart(
                    say(
                        "一个 manage.py 命令正在使用这套数据库，请先结束它。",
                        "A manage.py command is using this database; end it first"
                        " (a manage.py shell, perhaps).",
                    )
                )
            self.breathe()

    def make_sure_the_ports_are_free(self) -> None:
        """A killed predecessor may need a moment to let go of them."""
        for leftover in services():
            self.end_leftover(leftover)
        self.wait_for_port(settings.BIND, settings.PORT, variable="SCRM_PORT")
        if settings.SIMULATOR_IS_OURS:
            self.wait_for_port("127.0.0.1", settings.SIMULATOR_PORT, variable="SCRM_SIMULATOR_PORT")

    def wait_for_port(self, host: str, port: int, *, variable: str) -> None:
        deadline = time.monotonic() + PORT_PATIENCE
        while not port_is_free(host, port):
            if time.monotonic() > deadline:
                raise CannotStart(
                    say(
                        f"端口 {port} 已被别的程序占用。换一个：{variable}={port + 1} make up",
                        f"Port {port} is taken by another program."
                        f" Choose another: {variable}={port + 1} make up",
                    )
                )
            self.breathe()

    @staticmethod
    def end_leftover(leftover: Service) -> None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int(leftover.pid_file.read_text())
            end_leftover(pid, mark=str(leftover.pid_file), stop_signal=signal.SIGTERM, within=15)
            leftover.pid_file.unlink(missing_ok=True)

    # Up ---------------------------------------------------------------------------------------

    def bring_up(self) -> None:
        with self.doing(say("检查环境", "environment")) as done:
            self.engines.start()
            done(self.versions_in_use())
        self.prepare()
        with self.doing(say("网站、worker、beat", "web, workers, beat")) as done:
            for each in services():
                self.running.append(self.launch(each))
            self.wait_until_healthy()
            done(" · ".join(each.service.name for each in self.running))
        with self.doing(say("自检", "self-check")) as done:
            done(self.doctor())
        self.show_the_doors()

    def versions_in_use(self) -> str:
        parts = [f"Python {platform.python_version()}"]
        if self.engines.with_postgres or self.engines.with_valkey:
            postgres, valkey = versions()
            parts += [f"PostgreSQL {postgres}"] if self.engines.with_postgres else []
            parts += [f"Valkey {valkey}"] if self.engines.with_valkey else []
        return " · ".join(parts)

    @contextlib.contextmanager
    def doing(self, title: str) -> Iterator[Doing]:
        self.step += 1
        doing = Doing(self.console, f"[{self.step}/{STEPS if settings.DEMO else STEPS - 1}]", title)
        with doing.shown():
            yield doing

    def prepare(self) -> None:
        """Migrations and the rest, in a process of their own: this one stays small."""
        titles = {
            "migrate": say("迁移数据库", "database migrations"),
            "demo": say("演示数据", "demonstration data"),
            "static": say("静态文件与翻译", "static files, translations"),
        }
        if not settings.DEMO:
            del titles["demo"]
        log_path = self.log_path("prepare")
        command = [*DJANGO, "prepare", "--access", *(["--demo"] if settings.DEMO else [])]
        with log_path.open("ab") as log:
            began = log.tell()
            read, write = os.pipe()
            try:
                with os.fdopen(write, "wb") as out:
                    self.helper = start(
                        "prepare", command, out=out, log=log, environment=environment()
                    )
                self.follow(read, titles)
            finally:
                os.close(read)
        if self.helper.process.wait() != 0:
            tail = log_path.read_bytes()[began:].decode(errors="replace").splitlines()[-12:]
            raise CannotStart("\n".join([say("准备失败：", "The preparation failed:"), *tail]))
        self.helper = None

    def follow(self, pipe: int, titles: dict[str, str]) -> None:
        os.set_blocking(pipe, False)
        events = self.events(Lines(pipe))
        for name, title in titles.items():
            with self.doing(title) as done:
                for event in events:
                    if event.get("step") != name:
                        continue
                    if event.get("finished"):
                        done(str(event.get("note") or ""))
                        break
                    done.progress(int(event["done"]), int(event["total"]), str(event["text"]))
                else:
                    return
        for event in events:
            if event.get("step") == "access":
                self.access = {key: str(value) for key, value in event.items()}

    def events(self, lines: Lines) -> Iterator[dict[str, str]]:
        while not lines.ended:
            for line in lines.read():
                yield json.loads(line)
            self.breathe(0.05)

    def launch(self, each: Service) -> Supervised:
        each.pid_file.parent.mkdir(exist_ok=True)
        each.pid_file.unlink(missing_ok=True)
        with self.log_path(each.name).open("ab") as log:
            child = start(
                each.name,
                each.command,
                log=log,
                environment=environment(),
                death_signal=each.death_signal,
            )
        return Supervised(each, child, started_at=time.monotonic())

    @staticmethod
    def log_path(name: str) -> Path:
        path: Path = settings.DATA_DIR / "logs" / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        return path

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + HEALTHY_WITHIN
        while not (self.doors_answer() and self.signs_of_life()):
            for each in self.running:
                if not each.child.is_alive():
                    raise CannotStart(self.died(each))
            if time.monotonic() > deadline:
                raise CannotStart(
                    say(
                        f"{HEALTHY_WITHIN:.0f} 秒内没有就绪，日志在 {settings.DATA_DIR / 'logs'}",
                        f"Not ready in {HEALTHY_WITHIN:.0f} s; see {settings.DATA_DIR / 'logs'}",
                    )
                )
            self.breathe()

    def doors_answer(self) -> bool:
        if settings.SIMULATOR_IS_OURS and not answers(f"{settings.WECOM_SIMULATOR_URL}/_sim/"):
            return False
        return answers(f"{self.address()}/readyz")

    def signs_of_life(self) -> bool:
        """Since the start: from each worker, from beat, and from a task that beat sent."""
        import psycopg  # noqa: PLC0415 - the launcher is to start fast and to say so when it cannot

        age = time.monotonic() - self.running[0].started_at
        query = (
            "SELECT count(*) FROM shared_heartbeat"
            " WHERE beaten_at > now() - make_interval(secs => %s)"
        )
        with psycopg.connect(settings.DATABASE_URL, connect_timeout=5) as connection:
            row = connection.execute(query, [age]).fetchone()
        return row is not None and row[0] >= HEARTBEATS

    def died(self, each: Supervised) -> str:
        path = self.log_path(each.service.name)
        tail = path.read_text(errors="replace").splitlines()[-12:]
        return "\n".join(
            [say(f"{each.service.name} 启动后退出：", f"{each.service.name} exited:"), *tail]
        )

    def doctor(self) -> str:
        command = [*DJANGO, "doctor", "--json"]
        done = subprocess.run(command, capture_output=True, env=environment(), check=False)
        try:
            checks = json.loads(done.stdout)["checks"]
        except (ValueError, KeyError):
            return done.stderr.decode(errors="replace").strip()[-300:]
        good = sum(check["status"] == "ok" for check in checks)
        return say(f"{good}/{len(checks)} 通过", f"{good}/{len(checks)} passed") + (
            "" if good == len(checks) else say("，详见 make doctor", ", see make doctor")
        )

    def address(self) -> str:
        host = "127.0.0.1" if settings.BIND in {"0.0.0.0", "::", ""} else settings.BIND  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}"

    def show_the_doors(self) -> None:
        password = self.access.get("password") or say(
            "（首次启动时已显示；重设：.venv/bin/python manage.py changepassword admin）",
            "(shown at the first start; reset: .venv/bin/python manage.py changepassword admin)",
        )
        once = (
            say("（仅显示这一次）", "(shown only this once)") if "password" in self.access else ""
        )
        lines = [
            "",
            f"{say('后台', 'Admin')}  {self.address()}/admin/",
            f"      {say('账号', 'user')} admin   {say('密码', 'password')} {password} {once}",
            f"{say('接口', 'API  ')}  {self.address()}/api/docs/",
        ]
        if key := self.access.get("api_key"):
            lines.append(f"      {say('演示令牌', 'demo key')} {key} {once}")
        if settings.SIMULATOR_IS_OURS:
            lines.append(
                f"{say('模拟企业微信', 'Simulated WeCom')}  {settings.WECOM_SIMULATOR_URL}/_sim/"
            )
        lines += [
            f"{say('日志', 'Logs ')}  {settings.DATA_DIR / 'logs'}",
            "",
            say("按 Ctrl-C 停止。", "Press Ctrl-C to stop."),
        ]
        self.console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)

    # Watch --------------------------------------------------------------------------------------

    def watch(self) -> None:
        while True:
            for engine in list(self.engines.children):
                if not engine.is_alive():
                    self.tell_of_death(engine.name, 0)
                    self.engines.restart(engine.name)
            for each in self.running:
                self.look_after(each)
            self.breathe(0.3)

    def look_after(self, each: Supervised) -> None:
        now = time.monotonic()
        if each.due_at is None and not each.child.is_alive():
            each.pause = 1.0 if now - each.started_at > STEADY_AFTER else each.pause
            each.due_at = now + each.pause
            self.tell_of_death(each.service.name, each.pause)
            each.child.stop(within=0)  # what is left of its group
        if each.due_at is not None and now >= each.due_at:
            fresh = self.launch(each.service)
            each.child, each.started_at, each.due_at = fresh.child, fresh.started_at, None
            each.pause = min(each.pause * 2, LONGEST_PAUSE)

    def tell_of_death(self, name: str, pause: float) -> None:
        clock = time.strftime("%H:%M:%S")
        self.console.print(
            say(
                f"{clock} {name} 意外退出，{pause:.0f} 秒后重启",
                f"{clock} {name} died, starting it again in {pause:.0f} s",
            ),
            style="yellow",
        )

    # Down -----------------------------------------------------------------------------------

    def take_down(self) -> None:
        """First those who use the engines, all at once; then the engines."""
        if not (self.running or self.engines.children or self.helper):
            return
        self.console.print(say("正在停止…", "Stopping…"))
        children = [each.child for each in self.running] + ([self.helper] if self.helper else [])
        for child in children:
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_PATIENCE
        for child in children:
            child.stop(within=max(0.1, deadline - time.monotonic()))
        for each in self.running:
            each.service.pid_file.unlink(missing_ok=True)
        self.engines.stop()


# --- Small parts --------------------------------------------------------------------------------


@dataclass
class Doing:
    """One line of the start: a step that is under way, then done."""

    console: Console
    number: str
    title: str
    bar: Progress | None = None
    began: float = field(default_factory=time.monotonic)

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        label = f" {self.number} {self.title}"
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[note]}"),
        )
        quiet = not self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=quiet) as self.bar:
            self.task = self.bar.add_task(label, total=None, note="")
            yield

    def progress(self, done: int, total: int, text: str) -> None:
        if self.bar:
            note = f"{done}/{total}" if total else text
            self.bar.update(self.task, completed=done, total=total or None, note=note)

    def __call__(self, note: str) -> None:
        if self.bar:
            self.bar.stop()
        seconds = time.monotonic() - self.began
        label = f" {self.number} {self.title}"
        text = f"{label}{' ' * max(1, 30 - wide(label))}{note}  OK {seconds:.1f}s"
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def wide(text: str) -> int:
    """The columns a text takes: a Chinese character takes two."""
    return sum(2 if ord(character) > 0x2E80 else 1 for character in text)


@dataclass
class Lines:
    """Whole lines from a pipe that does not block."""

    pipe: int
    rest: bytes = b""
    ended: bool = False

    def read(self) -> list[bytes]:
        try:
            data = os.read(self.pipe, 65_536)
        except BlockingIOError:
            return []
        self.ended = not data
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [line for line in lines if line.strip()]


def environment() -> dict[str, str]:
    """Of our children. They serve plain HTTP on this machine unless told otherwise; with
    REMAP_SIGTERM Celery stops soon, not when all work is done."""
    return {
        "SCRM_HTTPS": "false",
        "SCRM_HOSTS": "localhost,127.0.0.1,[::1]",
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "scrm.settings",
        "REMAP_SIGTERM": "SIGQUIT",
        "PYTHONPATH": str(settings.BASE_DIR),
    }


def port_is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scrm.settings")
    return Launcher(Console(), embedded_engines()).run()


if __name__ == "__main__":
    sys.exit(main())
