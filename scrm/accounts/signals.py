"""The facts that accounts announces, inside the transaction that makes them true."""

from django.dispatch import Signal

# staff_id: int, actor_id: int | None; without an actor the platform's directory says so
staff_deactivated = Signal()

# staff_id: int, actor_id: int | None; they are back, still without a login
staff_reactivated = Signal()

# task_id: int, kind: str; somebody said that it is done, or that it will not be
task_closed = Signal()
