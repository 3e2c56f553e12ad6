"""The facts that communities announces, inside the transaction that makes them true."""

from django.dispatch import Signal

# community_id: int, before: str, after: str
community_moved = Signal()

# community_id: int, policy_id: int
entry_policy_set = Signal()

# axis_id: int; whoever keeps more than one value for somebody on it refuses
axis_made_exclusive = Signal()

# rule_id: int; it is new, changed or switched on, and due to be applied
classification_rule_set = Signal()

# value_id: int; what its rule gave is no longer given
classification_rule_removed = Signal()

# chat_id: int, community_id: int; the chat carries the community from now on, with everybody in it
chat_assigned = Signal()

# item_ids: list[int]; the platform says that these customers have been taken over, or have refused
customers_settled = Signal()

# Somebody's case is new, or to be planned anew: there is something to list
cases_due = Signal()
