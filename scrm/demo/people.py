"""The members of the made-up customer: who they are, where they belong, how they behave.

Pure and deterministic: the same seed gives the same people. Days are counted back from today.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from scrm.demo.world import BREEDS, COMMUNITIES, GIVEN, PETS, REGIONS, SURNAMES, CommunitySpec

HISTORY_DAYS = 420
TOLD_BIRTHDAY = 0.6
NAME_OF = {value.code: value.name for value in (*REGIONS, *BREEDS)}
PARENT_OF = {value.code: value.parent for value in (*REGIONS, *BREEDS)}
CITIES = {
    "shanghai": 22, "hangzhou": 12, "nanjing": 9, "guangzhou": 12, "shenzhen": 11,
    "beijing": 13, "tianjin": 5, "chengdu": 10, "chongqing": 6,
}  # fmt: skip
PET_KINDS = {
    "golden": 18, "corgi": 16, "poodle": 12, "collie": 8, "british": 18, "ragdoll": 13,
    "american": 8, "orange": 7,
}  # fmt: skip
NICKNAMES = (
    "{pet}妈妈", "{pet}爸爸", "{pet}的铲屎官", "{pet}今天拆家了吗", "{breed}{pet}", "{city}·{pet}",
    "{given}和{pet}", "{city}{given}", "{surname}{given}", "{surname}{given}", "{given}的小窝",
    "爱{breed}的{given}", "{pet}家的{given}", "一只叫{pet}的{breed}",
)  # fmt: skip


class Persona(StrEnum):
    """How somebody behaves; the product does not know it, its numbers should show it."""

    CORE = "core"
    STEADY = "steady"
    CASUAL = "casual"
    LURKER = "lurker"
    FADING = "fading"
    GONE = "gone"


PERSONAS = {
    Persona.CORE: 8, Persona.STEADY: 27, Persona.CASUAL: 24, Persona.LURKER: 12,
    Persona.FADING: 11, Persona.GONE: 18,
}  # fmt: skip


@dataclass(frozen=True)
class Belonging:
    """A stay in a community, by days ago. ``left`` is None for who is still there."""

    community: str
    joined: int
    left: int | None = None


@dataclass(frozen=True)
class Person:
    number: int
    nickname: str
    city: str
    breed: str
    persona: Persona
    known: int  # days ago
    turned: int  # days ago, when a fading or gone one began to lose interest
    belongings: tuple[Belonging, ...] = field(default=())

    @property
    def external_id(self) -> str:
        return f"zz{self.number:06d}"

    @property
    def phone(self) -> str:
        return f"100{self.number:08d}"  # no number begins like this

    @property
    def birthday(self) -> int | None:
        """Month and day as one number, as the product keeps it; many have not told us."""
        random = Random(f"birthday:{self.number}")
        if random.random() >= TOLD_BIRTHDAY:
            return None
        return random.randint(1, 12) * 100 + random.randint(1, 28)

    @property
    def labels(self) -> set[str]:
        """The classification values this person falls under."""
        region = {f"region:{self.city}", f"region:{PARENT_OF[self.city]}"}
        return region | {f"breed:{self.breed}", f"breed:{PARENT_OF[self.breed]}"}


def people(count: int, *, seed: int) -> Iterator[Person]:
    random = Random(seed)
    taken: set[str] = set()
    for number in range(1, count + 1):
        yield person(number, random, taken)


def person(number: int, random: Random, taken: set[str]) -> Person:
    city, breed = chosen(CITIES, random), chosen(PET_KINDS, random)
    persona = chosen(PERSONAS, random)
    known = joined_days_ago(random)
    if persona in {Persona.FADING, Persona.GONE}:
        known = max(known, 60)
    turned = random.randint(12, 34) if persona is Persona.FADING else random.randint(32, 95)
    return Person(
        number=number,
        nickname=nickname(city, breed, random, taken),
        city=city,
        breed=breed,
        persona=persona,
        known=known,
        turned=turned,
        belongings=tuple(belongings(city, breed, known, persona, random)),
    )


def chosen[T](weights: dict[T, int], random: Random) -> T:
    return random.choices(list(weights), weights=list(weights.values()))[0]


def joined_days_ago(random: Random) -> int:
    """Growth: the younger a cohort, the larger; and a wave after a campaign."""
    if random.random() < 0.1:
        return random.randint(18, 24)
    return 1 + int(HISTORY_DAYS * random.random() ** 1.35)


def nickname(city: str, breed: str, random: Random, taken: set[str]) -> str:
    while True:
        name = random.choice(NICKNAMES).format(
            pet=random.choice(PETS.split()),
            given=random.choice(GIVEN.split()),
            surname=random.choice(SURNAMES),
            city=NAME_OF[city],
            breed=NAME_OF[breed],
        )
        if name in taken:
            name += str(random.randint(2, 99))
        if name not in taken:
            taken.add(name)
            return name


def belongings(
    city: str, breed: str, known: int, persona: Persona, random: Random
) -> Iterator[Belonging]:
    labels = {f"region:{city}", f"region:{PARENT_OF[city]}"}
    labels |= {f"breed:{breed}", f"breed:{PARENT_OF[breed]}"}
    inside: set[str] = set()
    for community in COMMUNITIES:
        if random.random() >= community.share or not labels.issuperset(community.values):
            continue
        if community.code != "planet" and community.parent not in inside:
            continue
        inside.add(community.code)
        yield belonging(community, known, persona, random)


def belonging(community: CommunitySpec, known: int, persona: Persona, random: Random) -> Belonging:
    joined = known
    if community.code != "planet":
        joined = int(min(known, community.created_days_ago) * random.uniform(0.4, 1))
    chance = {Persona.GONE: 0.3, Persona.FADING: 0.1}.get(persona, 0.045)
    if joined < 3 or random.random() >= chance:
        return Belonging(community.code, joined)
    left = random.randint(0, min(joined - 1, 60))
    return Belonging(community.code, joined, left)
