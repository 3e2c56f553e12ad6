"""A draft as it would be, for questions that only a kept row can be asked. Nothing of it stays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import Model

from campaigns.models import Broadcast
from scrm.accounts.models import User

CHOICES = ("communities", "segments", "excluded_segments", "chats")


@contextmanager
def rehearsed(
    *, actor: User, values: Mapping[str, Any], choices: Mapping[str, Iterable[Model]]
) -> Iterator[Broadcast]:
    """A broadcast with these fields and related rows, until the block ends."""
    with transaction.atomic():
        broadcast = Broadcast(
            enterprise=actor.enterprise, author=actor, last_editor=actor, **values
        )
        broadcast.save(force_insert=True)
        for name in CHOICES:
            getattr(broadcast, name).set(choices.get(name, ()))
        yield broadcast
        transaction.set_rollback(True)
