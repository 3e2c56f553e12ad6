from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DeskConfig(AppConfig):
    """The operators' landing page: what is due today, then how things stand."""

    name = "scrm.desk"
    verbose_name = _("今日工作台")
