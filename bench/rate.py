"""Broadcasts through three accounts with a limit each, at once. Items are deliveries.

ours:1, ours:2, ours:4    by so many workers. At the channel's ledger no second of any account may
                          hold more than its rate and its burst, and at least 98 % of the rate must
                          have been used; CPU per item is what keeping to the limit costs.
"""

from __future__ import annotations

import os
import sys
import tempfile
from bisect import bisect_left
from collections import defaultdict
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path

from django.conf import settings

from bench.fanout import due_broadcast, forget_broadcasts, is_completed, wait_until
from bench.harness import Case, celery_workers
from campaigns.models import Broadcast, ChannelRate
from campaigns.rules.rates import bucket_size
from campaigns.selectors.progress import progress_of
from campaigns.services.scheduling import start_due_broadcasts
from scrm.wecom.models import ChannelAccount

ACCOUNTS = 3
SECONDS = 60
QUICK_SECONDS = 6  # of a run with a small --size
SIZE = 1000 * SECONDS * ACCOUNTS
QUICK_SIZE = 10_000
LEAST_USED = 0.98


class Limited:
    most: int | None = None

    def __init__(self, workers: int) -> None:
        self.name = f"ours:{workers}"
        self.workers = workers

    def prepare(self, size: int) -> None:
        self.stack = ExitStack()
        self.rate = size // ACCOUNTS // (SECONDS if size >= QUICK_SIZE else QUICK_SECONDS)
        self.burst = self.rate // 2
        self.ledger = Path(self.stack.enter_context(tempfile.TemporaryDirectory()), "ledger")
        forget_broadcasts()
        self.start_workers()
        self.broadcasts = [self.broadcast(n, size // ACCOUNTS) for n in range(ACCOUNTS)]

    def start_workers(self) -> None:
        values = {
            "DJANGO_SETTINGS_MODULE": "bench._rate_settings",
            "SCRM_BENCH_LEDGER": str(self.ledger),
            "SCRM_DRAIN_WORKERS": str(self.workers),
        }
        os.environ.update(values)
        self.stack.callback(os.environ.update, {"DJANGO_SETTINGS_MODULE": "scrm.settings"})
        self.stack.enter_context(celery_workers(self.workers, queues=["drain"]))
        settings.CHANNELS["ledger"] = "bench._rate_channel.LedgerChannel"
        settings.DRAIN_WORKERS = self.workers

    def broadcast(self, number: int, size: int) -> Broadcast:
        broadcast = due_broadcast(size)
        account, _ = ChannelAccount.objects.update_or_create(
            enterprise=broadcast.enterprise,
            name=f"ledger-{number}",
            defaults={
                "kind": "ledger",
                "rate_per_second": self.rate,
                "rate_burst": self.burst,
            },
        )
        ChannelRate.objects.filter(account=account).delete()
        broadcast.channel_account = account
        broadcast.save(update_fields=["channel_account"])
        return broadcast

    def run(self, size: int) -> int:
        start_due_broadcasts()
        wait_until(lambda: all(is_completed(each) for each in self.broadcasts), every=0.25)
        return sum(progress_of(each.runs.get().pk).delivered for each in self.broadcasts)

    def verify(self, size: int) -> None:
        calls: dict[str, list[tuple[float, int]]] = defaultdict(list)
        for line in self.ledger.read_text().splitlines():
            account, at, count = line.split()
            calls[account].append((float(at), int(count)))
        assert len(calls) == ACCOUNTS
        busiest = max(most_in_a_second(sorted(one)) for one in calls.values())
        used = min(self.used(sorted(one)) for one in calls.values())
        print(
            f"{self.name}: limit {self.rate}/s and {self.burst}, busiest second {busiest},"
            f" used {used:.1%}",
            file=sys.stderr,
        )
        assert busiest <= self.rate + self.burst
        assert used >= LEAST_USED or size < QUICK_SIZE  # the last wait weighs on a short run

    def used(self, calls: list[tuple[float, int]]) -> float:
        """What went out beside the bucket that was full at the beginning, of what could have."""
        sent = sum(count for _, count in calls) - bucket_size(self.rate, self.burst)
        return sent / (self.rate * (calls[-1][0] - calls[0][0]))

    def clean(self) -> None:
        self.stack.close()


def most_in_a_second(calls: list[tuple[float, int]]) -> int:
    """Of every second that begins with a call."""
    times = [at for at, _ in calls]
    sums = [0, *accumulate(count for _, count in calls)]
    return max(sums[bisect_left(times, at + 1)] - sums[n] for n, at in enumerate(times))


def cases() -> list[Case]:
    return [Limited(1), Limited(2), Limited(4)]
