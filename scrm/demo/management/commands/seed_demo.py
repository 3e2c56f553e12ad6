from __future__ import annotations

import logging
import time
from argparse import ArgumentParser

from django.core.management.base import BaseCommand
from django.utils import timezone

from scrm.demo.seeding import SIZES, is_seeded, seed_demo


class Command(BaseCommand):
    help = "Load the demonstration customer 爪爪星球. Does nothing when it is already there."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--size", choices=sorted(SIZES), default="small")

    def handle(self, *, size: str, **_: object) -> None:
        if is_seeded():
            self.stdout.write("演示数据已存在，没有改动。")
            return
        logging.disable(logging.INFO)  # thousands of lines about people who do not exist
        began, done = time.monotonic(), []

        def report(text: str) -> None:
            done.append(text)
            self.stdout.write(f"  {time.monotonic() - began:5.1f} s  {text}")

        try:
            seed_demo(members=SIZES[size], now=timezone.now(), report=report)
        finally:
            logging.disable(logging.NOTSET)
        self.stdout.write(" · ".join(done))
