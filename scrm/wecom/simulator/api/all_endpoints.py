"""Importing this fills the table of endpoints."""

from scrm.wecom.simulator.api import (
    customers,
    directory,
    groups,
    hand_over,
    join_ways,
    mass_messages,
    media,
    notices,
    statistics,
    tags,
    welcome,
)

__all__ = [
    "customers",
    "directory",
    "groups",
    "hand_over",
    "join_ways",
    "mass_messages",
    "media",
    "notices",
    "statistics",
    "tags",
    "welcome",
]
