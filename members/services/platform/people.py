"""Members as the platform knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scrm.wecom.models import WecomConnection


@dataclass(frozen=True, slots=True)
class Person:
    """What the platform says about an outsider; empty where it does not say."""

    name: str = ""
    unionid: str = ""


def members_for(connection: WecomConnection, people: Mapping[str, Person]) -> dict[str, int]:
    """The member of each external_userid; who is not known yet gets a file."""
    raise NotImplementedError
