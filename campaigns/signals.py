"""The facts that campaigns announces, inside the transaction that makes them true."""

from django.dispatch import Signal

# broadcast_id: int, run_id: int
broadcast_started = Signal()

# broadcast_id: int, run_id: int; at its approval, before it runs
early_freezing_asked = Signal()

# broadcast_id: int, run_id: int
audience_frozen = Signal()

# broadcast_id: int
broadcast_resumed = Signal()

# broadcast_id: int, run_id: int
broadcast_finished = Signal()

# broadcast_id: int; of a run, or of what was frozen early
broadcast_cancelled = Signal()

# broadcast_id: int, code: str; what the platform has not sent yet is to be stopped there
broadcast_halted = Signal()

# somebody asked for a reminder or a stop: the platform is to be called soon
look_asked = Signal()

# welcome_id: int
welcome_planned = Signal()

# welcome_id: int; of a new contact
contact_welcome_planned = Signal()

# segment_id: int; its list is wanted anew
segment_draw_asked = Signal()

# run_id: int; its report is final
run_reported = Signal()
