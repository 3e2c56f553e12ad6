"""The callbacks that wait, and the thread that posts them."""

from __future__ import annotations

import contextlib
import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx

from scrm.wecom.simulator.callbacks import Callback
from scrm.wecom.simulator.faults import Settings

LOGGED = 200
STOP_PATIENCE = 6.0  # longer than one try

logger = logging.getLogger(__name__)
TRANSIENT = {"kept": False}


@dataclass(slots=True)
class Delivery:
    """What became of one try: the status, or why there was none."""

    at: float
    callback: int
    event: str
    change_type: str
    subject: str
    attempt: int
    answer: str
    milliseconds: int = 0


@dataclass(order=True, slots=True)
class Waiting:
    due: float
    order: int
    callback: Callback = field(compare=False)


@dataclass
class Outbox:
    """``mode``: send posts in the background, in order; hold keeps everything in ``held``."""

    mode: str = "send"
    held: list[Callback] = field(default_factory=list)
    queue: list[Waiting] = field(default_factory=list)
    log: deque[Delivery] = field(default_factory=lambda: deque(maxlen=LOGGED), metadata=TRANSIENT)
    order: int = 0
    settings: Settings = field(default_factory=Settings, metadata=TRANSIENT)
    tick: Callable[[], None] | None = field(default=None, repr=False, metadata=TRANSIENT)
    wake: threading.Condition = field(
        default_factory=threading.Condition, repr=False, metadata=TRANSIENT
    )
    thread: threading.Thread | None = field(default=None, repr=False, metadata=TRANSIENT)
    closing: bool = field(default=False, metadata=TRANSIENT)
    posting: int = field(default=0, metadata=TRANSIENT)

    def __len__(self) -> int:
        return len(self.held)

    def __iter__(self) -> Iterator[Callback]:
        return iter(list(self.held))

    def take(self, limit: int | None = None) -> list[Callback]:
        """The oldest held ones, which are then ours to deliver."""
        with self.wake:
            count = len(self.held) if limit is None else limit
            taken, self.held = self.held[:count], self.held[count:]
            return taken

    def put(self, callback: Callback, *, after: float = 0.0) -> None:
        with self.wake:
            if self.mode == "hold":
                self.held.append(callback)
                return
            self.order += 1
            heapq.heappush(self.queue, Waiting(time.time() + after, self.order, callback))
            self.start()
            self.wake.notify_all()

    def release(self) -> int:
        """Send what was held, and go on sending."""
        taken = self.take()
        self.mode = "send"
        for callback in taken:
            self.put(callback)
        return len(taken)

    def hold(self) -> None:
        self.mode = "hold"

    def note(self, callback: Callback, attempt: int, answer: str, milliseconds: int = 0) -> None:
        self.log.appendleft(
            Delivery(
                time.time(),
                callback.serial,
                callback.event,
                callback.change_type,
                callback.subject,
                attempt,
                answer,
                milliseconds,
            )
        )

    # The thread -----------------------------------------------------------------------------

    def start(self) -> None:
        if self.thread is None and self.mode == "send" and not self.closing:
            self.thread = threading.Thread(target=self._run, name="callbacks", daemon=True)
            self.thread.start()

    def close(self) -> None:
        with self.wake:
            self.closing = True
            self.wake.notify_all()
        if self.thread is not None:
            self.thread.join(STOP_PATIENCE)

    def idle(self, within: float = 10.0) -> bool:
        """Wait until everything due was posted; whether that came true in time."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            with self.wake:
                if not self.queue and not self.posting:
                    return True
            time.sleep(0.005)
        return False

    def _run(self) -> None:
        with httpx.Client(timeout=self.settings.callback_timeout) as client:
            while not self.closing:
                try:
                    self._step(client)
                except Exception:
                    logger.exception("a callback could not be made or posted")
                finally:
                    self.posting = 0

    def _step(self, client: httpx.Client) -> None:
        callback = self._next()
        if callback is not None:
            self._post(client, callback)
        elif self.tick is not None:
            self.tick()

    def _next(self) -> Callback | None:
        with self.wake:
            wait = self.queue[0].due - time.time() if self.queue else 1.0
            if wait > 0:
                self.wake.wait(min(wait, 1.0))
            if self.closing or not self.queue or self.queue[0].due > time.time():
                return None
            self.posting = 1
            return heapq.heappop(self.queue).callback

    def _post(self, client: httpx.Client, callback: Callback) -> None:
        """Any answer but 200 counts as none."""
        for attempt in range(1, self.settings.callback_tries + 1):
            began = time.monotonic()
            envelope = callback.signed()
            try:
                response = client.post(
                    callback.receiver.url,
                    params=envelope.query,
                    content=envelope.body,
                    headers={"Content-Type": "text/xml"},
                    timeout=self.settings.callback_timeout,
                )
                answer = str(response.status_code)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                answer = type(error).__name__
            self.note(callback, attempt, answer, int((time.monotonic() - began) * 1000))
            if answer == "200" or self.closing:
                return
            with contextlib.suppress(RuntimeError), self.wake:
                self.wake.wait_for(lambda: self.closing, self.settings.callback_pause)
