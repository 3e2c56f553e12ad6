from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    name = "campaigns"
    verbose_name = _("触达")

    def ready(self) -> None:
        from campaigns import receivers  # noqa: F401, PLC0415 - connects them; models are loaded
        from campaigns.figures import register_figures  # noqa: PLC0415 - needs the models
        from campaigns.references import register_segments  # noqa: PLC0415 - needs the models
        from campaigns.rules.audit_words import AUDIT_WORDS  # noqa: PLC0415 - likewise
        from campaigns.winback_references import register_winbacks  # noqa: PLC0415 - likewise
        from scrm.accounts.rules.audit_words import name_verbs  # noqa: PLC0415 - likewise

        register_segments()
        register_winbacks()
        register_figures()
        name_verbs(AUDIT_WORDS)
