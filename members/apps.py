from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MembersConfig(AppConfig):
    name = "members"
    verbose_name = _("成员")

    def ready(self) -> None:
        from communities.handlers import keep_customers  # noqa: PLC0415 - only needed here
        from communities.selectors import count_people_by  # noqa: PLC0415 - needs the models
        from members import receivers  # noqa: PLC0415 - connects them
        from members.metrics import register_metrics  # noqa: PLC0415 - models are loaded only now
        from members.metrics.communities import (  # noqa: PLC0415 - likewise
            register_community_metrics,
        )
        from members.references import register_references  # noqa: PLC0415 - likewise
        from members.rules.audit_words import AUDIT_WORDS  # noqa: PLC0415 - likewise
        from members.selectors.people import people_of_community  # noqa: PLC0415 - likewise
        from members.services.customer_book import FollowedCustomers  # noqa: PLC0415 - likewise
        from scrm.accounts.rules.audit_words import name_verbs  # noqa: PLC0415 - likewise

        count_people_by(people_of_community)
        keep_customers(FollowedCustomers())
        register_metrics()
        register_community_metrics()
        register_references()
        name_verbs(AUDIT_WORDS)
        receivers.follow_customers()
        receivers.follow_groups()
