"""Import the history of communities from a file: CSV, Excel or JSON lines."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from members.management.import_command import ImportCommand, add_newcomers, newcomers_in
from members.services.importing.layouts import WriteBatch
from members.services.importing.memberships import MEMBERSHIPS, membership_writer
from scrm.accounts.models import Enterprise


class Command(ImportCommand):
    help = (
        "Import who was in which community from when to when; "
        "stopped anywhere, it goes on where it was."
    )
    layout = MEMBERSHIPS

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_newcomers(parser)

    def writer(self, enterprise: Enterprise, options: dict[str, Any]) -> WriteBatch:
        return membership_writer(enterprise, newcomers=newcomers_in(options))
