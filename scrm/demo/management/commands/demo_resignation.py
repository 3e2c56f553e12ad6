"""On the running demonstration (make up): somebody with very much leaves.

python -m django demo_resignation [--chats 650] [--customers 5000] [--refusing 25] [--smooth]

Makes a colleague on the simulated WeCom, has them synchronised, lets them leave, approves the plan
as another user, moves the simulated clock day by day, causes trouble on the way, and checks at the
end that nothing was forgotten. Ends with 1 if something was.
"""

from __future__ import annotations

import logging
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import BaseCommand, CommandError

from scrm.accounts.models import User
from scrm.demo import world
from scrm.demo.company import NotSimulated
from scrm.demo.leaving import Story, StoryBroke, Troubles
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ConnectionState, Platform

LOOKS_EVERY = 1.0
OPERATOR = "yunying"


@contextmanager
def calls_unlogged() -> Iterator[None]:
    """Without a line for every call to the platform: the story says it all."""
    calls = logging.getLogger("scrm.wecom.client")
    usual = calls.level
    calls.setLevel(logging.WARNING)
    try:
        yield
    finally:
        calls.setLevel(usual)


class Command(BaseCommand):
    help = "Let somebody with many groups and customers leave the demonstration, step by step."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--chats", type=int, default=650)
        parser.add_argument("--customers", type=int, default=5000)
        parser.add_argument("--refusing", type=int, default=25, help="customers who say no")
        parser.add_argument("--smooth", action="store_true", help="nothing goes wrong")

    @calls_unlogged()
    def handle(
        self, *, chats: int, customers: int, refusing: int, smooth: bool, **_: object
    ) -> None:
        began = time.monotonic()

        def say(line: str) -> None:
            self.stdout.write(f"{time.monotonic() - began:7.1f} s  {line}")
            self.stdout.flush()

        troubles = Troubles(0, False, False, False) if smooth else Troubles(refusing)
        connection = demo_connection()
        story = Story(
            connection=connection,
            operator=user_called(connection, OPERATOR),
            approver=user_called(connection, world.ADMIN.username),
            say=say,
            work=lambda: time.sleep(LOOKS_EVERY),
            chats=chats,
            customers=customers,
            troubles=troubles,
        )
        try:
            story.tell()
        except (StoryBroke, NotSimulated) as error:
            raise CommandError(str(error)) from error
        say("离职交接已结案，没有遗漏。")


def demo_connection() -> WecomConnection:
    found = WecomConnection.objects.filter(
        enterprise__slug=world.ENTERPRISE_SLUG,
        platform=Platform.SIMULATOR,
        state=ConnectionState.CONNECTED,
    )
    connection = found.select_related("account", "enterprise").first()
    if connection is None:
        raise CommandError("没有演示数据，或它没有连接模拟企业微信：先运行 make up。")
    return connection


def user_called(connection: WecomConnection, username: str) -> User:
    users = User.objects.select_related("enterprise", "staff")
    known = users.filter(enterprise=connection.enterprise_id, username=username, is_active=True)
    found: User | None = known.first()
    if found is None:
        raise CommandError(f"没有用户 {username}。")
    return found
