from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class RiskBand(TextChoices):
    LOW = "low", _("低")
    MEDIUM = "medium", _("中")
    HIGH = "high", _("高")
