"""What the platform allows: how often, how many, how long. Source: WeCom, pages 90312 and 90454 for
frequencies, and the page of each interface for its arguments."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``count`` calls in any ``seconds``."""

    count: int
    seconds: float


#: Part of the platform's limits that we use: other tools of the company use the same ones.
SAFETY_SHARE = 0.8
#: Part of ours that one process may use while nobody can say what the others do.
ALONE_SHARE = 0.25

#: Of every interface, for one company.
COMMON_WINDOWS = (Window(10_000, 60), Window(150_000, 3600))

#: Of interfaces with limits of their own. No figure is published for tokens: 2,000 wrong calls in
#: an hour are known to block for an hour, and nobody needs more than a few.
OWN_WINDOWS = {
    "gettoken": (Window(60, 60), Window(600, 3600)),
    "media/uploadimg": (Window(1000, 86_400),),
}

#: How long an interface rests after the platform said "too many calls": first, and once more.
PARKED_SECONDS = 60.0
PARKED_AGAIN_SECONDS = 3600.0
#: A second refusal within so many seconds after the first rest is a repetition.
PARKED_AGAIN_WITHIN = 600.0

#: After "too many at once" the pace is halved; so many calls a second are added every second.
PACE_RECOVERY = 0.5
PACE_FLOOR = 0.5

#: How long a call may wait for its turn in the process that makes it.
PATIENCE_SECONDS = 3.0


def windows_of(api: str, *, share: float = SAFETY_SHARE) -> tuple[Window, ...]:
    """How often ``api`` may be called by all workers together."""
    windows = OWN_WINDOWS.get(api, COMMON_WINDOWS)
    return tuple(Window(max(1, int(each.count * share)), each.seconds) for each in windows)


# --- Arguments ------------------------------------------------------------------------------------

MAX_ID = 64
MAX_STAFF_FILTER = 100
MAX_PAGE = 1000
MAX_BATCH_PAGE = 100
MAX_TRANSFER = 100
MAX_TRANSFER_MESSAGE = 200
MAX_STATISTIC_DAYS = 30

# --- Handing over (WeCom, pages 95703, 94096, 94081, 94100) ------------------------------------

#: Chats from one person on one day of the platform.
CHATS_HANDED_OVER_A_DAY = 300
#: Times that one chat, or one customer, may be handed over on the job within so many days.
HAND_OVERS, HAND_OVER_DAYS = 2, 90
#: A customer who does not answer is handed over after so long.
CUSTOMER_ANSWER_HOURS = 24
#: What somebody left with can be inherited for so long.
INHERITABLE_DAYS = 365
#: A hand-over on the job may be returned for so long. Our rule: later it is a new one.
RETURN_DAYS = 7

MAX_MASS_CUSTOMERS = 10_000
MAX_MASS_CHATS = 2000
MAX_MASS_LIST_PAGE = 100
MAX_TEXT_BYTES = 4000
MAX_WELCOME_TEMPLATE_BYTES = 3000  # one page says 4000
MAX_ATTACHMENTS = 9
MAX_TITLE_BYTES = 128
MAX_MINIPROGRAM_TITLE_BYTES = 64
MAX_DESCRIPTION_BYTES = 512
MAX_LINK_BYTES = 2048
MAX_TAG_FILTER = 100

MAX_APP_RECEIVERS = 1000
MAX_APP_PARTIES = 100
MAX_APP_TEXT_BYTES = 2048

MAX_JOIN_WAY_CHATS = 5
MAX_JOIN_WAY_REMARK = 30
MAX_JOIN_WAY_STATE = 30
MAX_ROOM_NAME = 40

MAX_REMARK = 20
MAX_REMARK_DESCRIPTION = 150
MAX_TAG_NAME = 30
MAX_TAGS_MARKED = 3000

MIN_MEDIA_BYTES = 6
MAX_MEDIA_BYTES = {
    "image": 10_000_000,
    "voice": 2_000_000,
    "video": 10_000_000,
    "file": 20_000_000,
}
MAX_PICTURE_BYTES = 2_000_000

MAX_RULE_NAME = 20
MAX_RULE_WORDS = 300
MAX_RULE_WORD = 32
MAX_RULE_RANGE = 1000
