"""On the running demonstration (make up): broadcasts, from the owners' taps to the quit breaker.

python -m django demo_broadcasts [--chats 2000] [--owners 40] [--only mass|festival|compare|blast]

A message to many chats whose owners confirm, are reminded, stopped, or never answer; a greeting
that comes again with its festival; eight in the morning against eight in the evening; a message to
everybody that two approve and the breaker stops. Moves the simulated clock by a month. Compares
every chat with what the platform knows, and ends with 1 if something does not fit. "compare" and
"blast" go on where "mass" ends.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from scrm.demo import world
from scrm.demo.broadcasting import MassStory
from scrm.demo.campaigning import BlastStory, FestivalStory
from scrm.demo.company import NotSimulated
from scrm.demo.comparing import ComparisonStory
from scrm.demo.management.commands.demo_resignation import (
    LOOKS_EVERY,
    OPERATOR,
    calls_unlogged,
    demo_connection,
    user_called,
)
from scrm.demo.storytelling import Stage, StoryBroke

SECOND_APPROVER = "shenhe"
PARTS = ("mass", "festival", "compare", "blast")


class Command(BaseCommand):
    help = "Send broadcasts on the demonstration and compare what we say with what happened."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--chats", type=int, default=2000)
        parser.add_argument("--owners", type=int, default=40, help="at least 5")
        parser.add_argument("--members", type=int, default=2, help="of each chat")
        parser.add_argument("--only", choices=PARTS, default=None)

    @calls_unlogged()
    def handle(
        self, *, chats: int, owners: int, members: int, only: str | None, **_: object
    ) -> None:
        began = time.monotonic()

        def say(line: str) -> None:
            self.stdout.write(f"{time.monotonic() - began:7.1f} s  {line}")
            self.stdout.flush()

        connection = demo_connection()
        stage = Stage(
            connection=connection,
            operator=user_called(connection, OPERATOR),
            approvers=(
                user_called(connection, world.ADMIN.username),
                user_called(connection, SECOND_APPROVER),
            ),
            say=say,
            work=lambda: time.sleep(LOOKS_EVERY),
        )
        mass = MassStory(stage, chats=chats, owners=owners, members=members)
        try:
            if only in {None, "festival"}:
                FestivalStory(stage).tell()
            if only != "festival":
                mass.tell()
            if only in {None, "compare"}:
                ComparisonStory(stage, mass.community).tell()
            if only in {None, "blast"}:
                BlastStory(stage, mass).tell()
        except (StoryBroke, NotSimulated) as error:
            raise CommandError(str(error)) from error
        say("群发演示结束，系统与平台逐群一致。")
