"""The facts that accounts announces, inside the transaction that makes them true."""

from django.dispatch import Signal

staff_deactivated = Signal()  # staff_id
