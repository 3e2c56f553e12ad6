"""The facts that communities announces, inside the transaction that makes them true."""

from django.dispatch import Signal

# community_id: int, before: str, after: str
community_moved = Signal()

# community_id: int, policy_id: int
entry_policy_set = Signal()
