"""Calls to the WeCom server API: typed, limited, and honest about what is not known.

    with client_for(connection) as client:
        group = client.group(chat_id)

A call answers with a result of ``results.py`` or raises ``WecomRefusal``; arguments that the
platform would refuse raise ``InvalidArguments``. No call is made inside a transaction.
"""

from scrm.wecom.client.errors import InvalidArguments, Kind, Outcome, WecomRefusal
from scrm.wecom.client.session import WecomClient, client_for

__all__ = [
    "InvalidArguments",
    "Kind",
    "Outcome",
    "WecomClient",
    "WecomRefusal",
    "client_for",
]
