"""Start child processes that cannot outlive us, and stop them without touching anything else."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

BOUND = Path(__file__).with_name("bound.py")


@dataclass(frozen=True)
class Account:
    """The operating system user a child runs as."""

    uid: int
    gid: int


@dataclass
class Child:
    """A process in a group of its own, so a Ctrl-C in the terminal reaches only us."""

    name: str
    process: subprocess.Popen[bytes]
    stop_signal: signal.Signals

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def ask_to_stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(self.stop_signal)

    def stop(self, *, within: float) -> None:
        """Ask, wait, then end by force whatever is left of its group."""
        self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(within)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


def start(
    name: str,
    command: Sequence[str | Path],
    *,
    log: IO[bytes] | int,
    out: IO[bytes] | int | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    death_signal: signal.Signals | None = None,
    account: Account | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Child:
    """Start a process bound to this one. Call it from the main thread, the bond is to a thread.

    Everything it prints goes to ``log``, or only its errors if ``out`` is given. If we die it gets
    ``death_signal``, by default the one that asks it to stop.
    """
    user = f"{account.uid}:{account.gid}" if account else "-"
    wrapped = [
        sys.executable,
        "-I",
        "-S",
        BOUND,
        str(os.getpid()),
        str(int(death_signal or stop_signal)),
        user,
        "--",
        *command,
    ]
    process = subprocess.Popen(
        wrapped,
        stdin=subprocess.DEVNULL,
        stdout=log if out is None else out,
        stderr=log,
        env=None if environment is None else dict(environment),
        cwd=folder,
        start_new_session=True,
    )
    return Child(name=name, process=process, stop_signal=stop_signal)


def command_of(pid: int) -> str:
    """The command line of a running process, empty if there is none."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return ""
    except OSError:
        return ""
    shown = subprocess.run(
        ["ps", "-ww", "-p", str(pid), "-o", "command="], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()


def end_leftover(pid: int, *, mark: str, stop_signal: signal.Signals, within: float = 30) -> bool:
    """End a process of a killed predecessor. The mark in its command line proves it is ours."""
    if mark not in command_of(pid):
        return False
    for signum, patience in ((stop_signal, within), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if mark not in command_of(pid):
                return True
            time.sleep(0.05)
    return True
