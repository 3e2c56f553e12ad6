"""Who a colleague's customers are: what communities asks when customers are to change hands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import batched

from django.db.models import Count

from communities.handlers import CustomerOfStaff
from members.models import Follow
from members.models.member import IdentityKind, MemberIdentity
from scrm.shared.crypto import lookup_digest

PAGE = 5000


class FollowedCustomers:
    """The contacts that are open and mutual: only those does the platform hand over."""

    def of_staff(self, staff_id: int) -> Iterator[Sequence[CustomerOfStaff]]:
        follows = Follow.objects.open().filter(staff=staff_id, is_mutual=True)
        rows = follows.order_by("member_id", "pk").values_list(
            "channel_account_id", "external_userid"
        )
        for page in batched(rows.iterator(chunk_size=PAGE), PAGE):
            yield [CustomerOfStaff(*row) for row in page]

    def loads(self, enterprise_id: int) -> Mapping[int, int]:
        follows = Follow.objects.open().filter(enterprise=enterprise_id, is_mutual=True)
        counts = follows.order_by().values_list("staff").annotate(count=Count("pk"))
        return dict(counts)

    def names(self, enterprise_id: int, external_userids: Sequence[str]) -> Mapping[str, str]:
        kind = IdentityKind.EXTERNAL_USERID
        digests = {
            lookup_digest(userid, purpose=kind, enterprise_id=enterprise_id): userid
            for userid in external_userids
        }
        known = MemberIdentity.objects.filter(
            enterprise=enterprise_id, kind=kind, digest__in=digests
        )
        named = known.exclude(member__nickname="").values_list("digest", "member__nickname")
        return {digests[digest]: name for digest, name in named}
