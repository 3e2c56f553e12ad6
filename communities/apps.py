from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CommunitiesConfig(AppConfig):
    name = "communities"
    verbose_name = _("社群")

    def ready(self) -> None:
        from communities.references import register_references  # noqa: PLC0415 - needs the models

        register_references()
