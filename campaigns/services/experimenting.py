"""Experiments: written beside the draft, begun by the first run, ended by their time."""

from __future__ import annotations

from campaigns.models import Run


def note_start(run: Run) -> None:
    """A run of a broadcast begins, inside the transaction that begins it: the first one starts
    the experiment; of a switchback it says whose day this is; a list frozen before gets the hours
    of its arms."""
