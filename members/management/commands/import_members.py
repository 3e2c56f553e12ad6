"""Import members from a file."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import gettext as _

from communities.models import Community
from members.management.import_command import ImportCommand, add_consent, consent_in
from members.services.importing.layouts import WriteBatch
from members.services.importing.newcomers import MEMBERS, member_writer
from scrm.accounts.models import Enterprise


class Command(ImportCommand):
    help = (
        "Import members from a file, and let them into a community by its own rules; "
        "stopped anywhere, it goes on where it was."
    )
    layout = MEMBERS
    default_source = ""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--community", help="code of the community that they apply for")
        add_consent(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        # the same file may be imported into several communities: each is an import of its own
        options["source"] = options["source"] or options["community"] or "import"
        super().handle(*args, **options)

    def writer(self, enterprise: Enterprise, options: dict[str, Any]) -> WriteBatch:
        code, text = options["community"], consent_in(options)
        if code is None:
            return member_writer(enterprise, community=None, consent_text=text)
        community = Community.objects.filter(enterprise=enterprise, code=code).first()
        if community is None:
            raise CommandError(_("企业里没有代码为“%(code)s”的社群。") % {"code": code})
        return member_writer(enterprise, community=community, consent_text=text)
