"""The facts that members announces, inside the transaction that makes them true."""

from django.dispatch import Signal

# membership_id: int, stay_id: int
member_joined = Signal()

# membership_id: int
member_left = Signal()

# application_id: int; for every decision, by a rule or by a person
entry_decided = Signal()
