"""Writes the world down while it changes, at most once a second."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path

from scrm.wecom.simulator import keeping
from scrm.wecom.simulator.world import World

SECONDS = 1.0

logger = logging.getLogger(__name__)


@dataclass
class Keeper:
    world: World
    path: Path
    written: int = -1
    ended: threading.Event = field(default_factory=threading.Event)
    writing: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def opened(cls, path: Path) -> Keeper:
        """The world of a file, or an empty one if there is no file yet."""
        world = World.load(path) if path.exists() else World()
        world.wake_up()
        return cls(world, path, written=world.changes)

    def start(self) -> None:
        threading.Thread(target=self._run, name="keeper", daemon=True).start()

    def keep(self) -> bool:
        """Write it down if something changed since the last time."""
        with self.writing:
            changes = self.world.changes
            if changes == self.written:
                return False
            keeping.write(self.world.as_json(), self.path)
            self.written = changes
            return True

    def close(self) -> None:
        """Written down before and after the last callbacks end: we may not live that long."""
        self.ended.set()
        self.keep()
        self.world.close()
        self.keep()

    def _run(self) -> None:
        while not self.ended.wait(SECONDS):
            try:
                self.keep()
            except OSError:
                logger.exception("the world could not be written down")
