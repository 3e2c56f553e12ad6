"""How the product says no."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from django.db import IntegrityError, transaction


class DomainError(Exception):
    """A refusal: the request is well-formed and allowed, but not at this moment.

    ``code`` is stable and for programs; ``message`` is for people and says what to do.
    ``details`` are further facts, such as the clauses of a criterion that failed, as plain JSON.
    """

    code: ClassVar[str] = "refused"

    def __init__(self, message: str, *, details: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InvalidInput(DomainError):
    """A refusal at any moment: what was given cannot be right, so the caller has to change it.

    ``field`` names the argument at fault, as the doors call it.
    """

    code: ClassVar[str] = "invalid"
    field: ClassVar[str]


@contextmanager
def refusing(error: DomainError, *, constraint: str) -> Iterator[None]:
    """Turn the breach of one named database constraint into a refusal.

    The block runs in its own savepoint, so that the surrounding transaction stays usable.
    Every other integrity error passes through.
    """
    try:
        with transaction.atomic():
            yield
    except IntegrityError as breach:
        diagnostics = getattr(breach.__cause__, "diag", None)
        if getattr(diagnostics, "constraint_name", None) != constraint:
            raise
        raise error from breach
