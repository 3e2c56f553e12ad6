"""What every part of a simulated company stands on: its lock, clock, ids and agenda."""

from __future__ import annotations

import heapq
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from hashlib import sha256
from typing import Any, cast

from scrm.wecom.simulator.clock import Clock
from scrm.wecom.simulator.faults import Faults, Settings
from scrm.wecom.simulator.records import App, Token

ID_LENGTH = 32
TRANSIENT = {"kept": False}


@dataclass(order=True, slots=True)
class Appointment:
    """Something that will happen at ``due`` by the company's clock: a method and its arguments."""

    due: float
    serial: int
    method: str = field(compare=False)
    arguments: list[str] = field(compare=False, default_factory=list)


@dataclass(kw_only=True)
class State:
    corp_id: str
    name: str
    apps: list[App] = field(default_factory=list)
    tokens: dict[str, Token] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    faults: Faults = field(default_factory=Faults)
    settings: Settings = field(default_factory=Settings)
    serial: int = 0
    agenda: list[Appointment] = field(default_factory=list)
    changes: int = field(default=0, metadata=TRANSIENT)
    lock: threading.RLock = field(
        default_factory=threading.RLock, repr=False, compare=False, metadata=TRANSIENT
    )

    def __post_init__(self) -> None:
        self.clock.moved = self.settle
        self.faults.chance.seed(self.faults.seed)

    # The app that was made with the company -----------------------------------------------------

    @property
    def agent_id(self) -> int:
        return self.apps[0].agent_id

    @property
    def secret(self) -> str:
        return self.apps[0].secret

    # Ids and time ---------------------------------------------------------------------------

    def next_serial(self) -> int:
        self.serial += 1
        return self.serial

    def new_id(self, prefix: str) -> str:
        """Opaque, as long as the platform's, never the same twice and the same in every run."""
        digest = sha256(f"{self.corp_id} {prefix} {self.next_serial()}".encode()).digest()
        text = b64encode(digest, b"Ax").decode().rstrip("=")
        return f"{prefix}{text}"[:ID_LENGTH]

    def schedule(self, seconds: float, method: str, *arguments: str) -> None:
        due = self.clock.time() + seconds
        heapq.heappush(self.agenda, Appointment(due, self.next_serial(), method, list(arguments)))

    def settle(self) -> None:
        """Let happen what is due by now, in order."""
        with self.lock:
            while self.agenda and self.agenda[0].due <= self.clock.time():
                self._keep_appointment(heapq.heappop(self.agenda))

    def _keep_appointment(self, appointment: Appointment) -> None:
        """It happens at its own time, however far the clock was moved past it."""
        self.changes += 1
        former, self.clock.instant = self.clock.instant, appointment.due
        try:
            getattr(self, appointment.method)(*appointment.arguments)
        finally:
            self.clock.instant = former


def verb[F: Callable[..., Any]](method: F) -> F:
    """Something that people do: one at a time, after what was due before."""

    @wraps(method)
    def done(self: State, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            self.settle()
            self.changes += 1
            return method(self, *args, **kwargs)

    return cast(F, done)
