"""What goes wrong on demand, and where sources disagree about the platform."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any


@dataclass(slots=True)
class Trouble:
    """Something that happens to calls of ``api`` (a pattern, without the leading /cgi-bin/).

    ``kind``: refuse (``code``), status (HTTP ``code`` before anything happened), lost_answer (HTTP
    ``code`` after it happened), slow (``seconds``), truncate (half an answer), fail_items (every
    ``share`` of a call's items gets ``code``). ``times`` of -1: until cleared.
    """

    kind: str
    api: str = "*"
    code: int = 0
    times: int = -1
    rate: float = 1.0
    seconds: float = 0.0
    share: float = 0.5


@dataclass(slots=True)
class Faults:
    """Rates are between 0 and 1. Everything off by default."""

    # callbacks
    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    delay_seconds: float = 5.0
    reorder: float = 0.0
    old_payload: bool = False
    empty_member_list: bool = False
    event_per_member: bool = False
    reduced_directory: bool = False
    owner_change_event: bool = False
    # reads
    read_lag: float = 0.0
    resigned_owner_filter_refused: bool = False
    no_errcode: bool = False  # successes without errcode and errmsg, as older endpoints answer
    # tokens
    expired_token_code: int = 42001
    new_token_ends_old: bool = False
    # concurrency: calls of one API at a time; 0 means any number
    concurrent_calls: int = 0
    troubles: list[Trouble] = field(default_factory=list)
    seed: int = 0
    chance: random.Random = field(
        default_factory=random.Random, repr=False, metadata={"kept": False}
    )

    def happens(self, rate: float) -> bool:
        return rate > 0 and self.chance.random() < rate

    def add(self, kind: str, api: str = "*", **values: Any) -> Trouble:
        trouble = Trouble(kind, api, **values)
        self.troubles.append(trouble)
        return trouble

    def refuse(self, api: str, code: int, *, times: int = 1, rate: float = 1.0) -> Trouble:
        return self.add("refuse", api, code=code, times=times, rate=rate)

    def status(self, api: str, code: int = 502, *, times: int = 1, rate: float = 1.0) -> Trouble:
        return self.add("status", api, code=code, times=times, rate=rate)

    def lose_answer(self, api: str, code: int = 504, *, times: int = 1) -> Trouble:
        return self.add("lost_answer", api, code=code, times=times)

    def slow(self, api: str, seconds: float, *, times: int = -1, rate: float = 1.0) -> Trouble:
        return self.add("slow", api, seconds=seconds, times=times, rate=rate)

    def truncate(self, api: str, *, times: int = 1, rate: float = 1.0) -> Trouble:
        return self.add("truncate", api, times=times, rate=rate)

    def fail_items(self, api: str, code: int, *, share: float = 0.5, times: int = 1) -> Trouble:
        return self.add("fail_items", api, code=code, share=share, times=times)

    def meets(self, api: str) -> list[Trouble]:
        """The troubles of this call, each used up by one."""
        met = []
        for trouble in list(self.troubles):
            if fnmatchcase(api, trouble.api) and self.chance.random() < trouble.rate:
                met.append(trouble)
                if trouble.times > 0:
                    trouble.times -= 1
                    if trouble.times == 0:
                        self.troubles.remove(trouble)
        return met

    def clear(self) -> None:
        fresh = Faults(chance=self.chance)
        for each in fields(self):
            setattr(self, each.name, getattr(fresh, each.name))


@dataclass(slots=True)
class Settings:
    """What the platform leaves open or lets a company choose. Durations are seconds."""

    group_capacity: int = 200
    developer_account: bool = True  # bound: WeChat users have a unionid
    hidden_staff_fields: bool = True  # an app made after 2022-06-20
    token_seconds: int = 7200
    dispatching_seconds: float = 2.0  # after its creation a mass message answers 41063
    record_rows: int = 1000  # a page of what became of mass messages is no longer
    listing_seconds: float = 0.0  # after its creation a mass message is not listed
    mass_messages: str = "month"  # or week (7), or day (1)
    inheritance_seconds: int = 300  # of a resigned owner's groups
    customer_answer_seconds: int = 86_400  # then a hand-over completes by itself
    welcome_seconds: int = 20
    media_days: int = 3
    people_without_owner_filter: int = 1000
    calls_per_minute: int = 10_000
    calls_per_hour: int = 150_000
    calls_of: dict[str, int] = field(default_factory=dict)  # an API's own calls a minute
    spam_words: list[str] = field(default_factory=list)  # 40201 for messages with one
    callback_timeout: float = 5.0
    callback_tries: int = 3
    callback_pause: float = 1.0
