"""The simulator as a program: one process, one world, kept in a file if one is given."""

from __future__ import annotations

import logging
import os
import threading
import time
from multiprocessing.util import Finalize
from pathlib import Path

from scrm.wecom.simulator.app import make_app
from scrm.wecom.simulator.keeper import Keeper
from scrm.wecom.simulator.world import World

STATE_VARIABLE = "SCRM_SIMULATOR_STATE"

logger = logging.getLogger(__name__)


def watch_parent(keeper: Keeper | None) -> None:
    """The web server's main process may be killed; nobody else would end us then."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1.0)
    if keeper is not None:
        keeper.keep()
    os._exit(1)


def build_world() -> tuple[World, Keeper | None]:
    if not (path := os.environ.get(STATE_VARIABLE, "")):
        return World(), None
    keeper = Keeper.opened(Path(path))
    keeper.start()
    Finalize(None, keeper.close, exitpriority=10)  # runs when this worker ends in peace
    return keeper.world, keeper


world, keeper = build_world()
threading.Thread(target=watch_parent, args=(keeper,), daemon=True).start()
application = make_app(world)
