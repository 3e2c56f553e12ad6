"""The facts that the platform's room announces, inside the transaction that makes them true."""

from django.dispatch import Signal

sync_started = Signal()  # run_id
