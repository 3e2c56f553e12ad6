"""Where the apps above tell what communities cannot know: who a member of staff's customers are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol


class CustomerOfStaff(NamedTuple):
    """A contact of a colleague, as the platform calls it."""

    channel_account_id: int
    external_userid: str


class CustomerBook(Protocol):
    """What members knows about customers and the colleagues who follow them."""

    def of_staff(self, staff_id: int) -> Iterator[Sequence[CustomerOfStaff]]:
        """Whom this colleague follows now, some thousands at a time, always in one order."""
        ...

    def loads(self, enterprise_id: int) -> Mapping[int, int]:
        """How many customers each colleague follows; those with none are not named."""
        ...

    def names(self, enterprise_id: int, external_userids: Sequence[str]) -> Mapping[str, str]:
        """What the customers are called, as far as they are known."""
        ...


_books: list[CustomerBook] = []


def keep_customers(book: CustomerBook) -> None:
    """Once, when the app that knows them is ready."""
    if _books:
        raise ValueError("There is a book of customers already.")
    _books.append(book)


def customer_book() -> CustomerBook:
    return _books[0]
