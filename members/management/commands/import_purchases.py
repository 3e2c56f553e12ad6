"""Import purchases from a file: CSV, Excel or JSON lines."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from members.management.import_command import ImportCommand, add_newcomers, newcomers_in
from members.services.importing.files import PURCHASES, purchase_writer
from members.services.importing.layouts import WriteBatch
from scrm.accounts.models import Enterprise


class Command(ImportCommand):
    help = "Import purchases from a file; stopped anywhere, it goes on where it was."
    layout = PURCHASES

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_newcomers(parser)

    def writer(self, enterprise: Enterprise, options: dict[str, Any]) -> WriteBatch:
        return purchase_writer(
            enterprise, source=options["source"], newcomers=newcomers_in(options)
        )
