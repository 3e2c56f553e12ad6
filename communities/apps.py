from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CommunitiesConfig(AppConfig):
    name = "communities"
    verbose_name = _("社群")

    def ready(self) -> None:
        from communities import receivers  # noqa: F401, PLC0415 - connects them
        from communities.references import register_references  # noqa: PLC0415 - needs the models
        from communities.rules.audit_words import AUDIT_WORDS  # noqa: PLC0415 - only needed here
        from scrm.accounts.rules.audit_words import name_verbs  # noqa: PLC0415 - likewise

        register_references()
        name_verbs(AUDIT_WORDS)
