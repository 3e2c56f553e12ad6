from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WecomConfig(AppConfig):
    name = "scrm.wecom"
    label = "wecom"
    verbose_name = _("渠道")

    def ready(self) -> None:
        from scrm.accounts.rules.audit_words import name_verbs  # noqa: PLC0415 - only needed here
        from scrm.wecom import receivers  # noqa: PLC0415 - connects them; models are loaded
        from scrm.wecom.rules.audit_words import AUDIT_WORDS  # noqa: PLC0415 - likewise

        name_verbs(AUDIT_WORDS)
        receivers.follow_the_directory()
