"""The facts that the platform's room announces, inside the transaction that makes them true."""

from django.dispatch import Signal

sync_started = Signal()  # run_id
apis_used = Signal()  # connection_id, usages: of one session of calls, outside of transactions
clock_heard = Signal()  # connection_id, ahead: of a simulated platform whose clock was moved
