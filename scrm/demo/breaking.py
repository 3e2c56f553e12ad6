"""A message after which so many left that the quit breaker stopped the rest."""

from __future__ import annotations

from datetime import timedelta

from scrm.demo.backdating import date_back, take_stock
from scrm.demo.contents import REPELLING
from scrm.demo.founding import Founded
from scrm.demo.quitting import quit_after
from scrm.demo.sending import compose, half_sent, scheduled

AGO = timedelta(hours=18)
LEAVING_SHARE = 0.08
LEAST_LEAVES = 6


def be_halted(founded: Founded) -> None:
    """It was sent to the first community; the second is spared."""
    broadcast = scheduled(founded, compose(founded, REPELLING, "southwest", "ragdoll"))
    run = half_sent(founded, broadcast)
    date_back(run, founded.now - AGO)
    quit_after(
        run,
        founded.communities["southwest"],
        share=LEAVING_SHARE,
        at_least=LEAST_LEAVES,
        within=AGO * 0.7,
    )
    take_stock(run)
