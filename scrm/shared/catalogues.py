"""Message catalogues without a gettext binary: find our strings, keep the .po files, compile them.

Our strings are written in Chinese, so ``locale/en`` must translate every one of them. Unfold
writes English and ships no translations, so ``locale/zh_Hans`` must cover what Django does not.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile

from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent.parent
LOCALE = ROOT / "locale"
OUR_PACKAGES = ("scrm", "communities", "members", "campaigns")
ENGLISH_PACKAGES = ("unfold",)
ALREADY_TRANSLATED = ("django",)

type MessageID = tuple[str | None, str | tuple[str, ...]]  # with its context

DJANGO_GAPS: frozenset[MessageID] = frozenset({(None, "- Select an option -")})
KEYWORDS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), None),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}


@dataclass(frozen=True)
class Gaps:
    """What keeps a catalogue from being complete."""

    language: str
    missing: list[str]
    obsolete: list[str]

    def __bool__(self) -> bool:
        return bool(self.missing or self.obsolete)


# --- Finding strings ----------------------------------------------------------------------------


def strings_of(package: Path) -> Iterator[MessageID]:
    for path in sorted(package.rglob("*")):
        if path.suffix == ".py" and "migrations" not in path.parts:
            yield from _strings(path.read_text(encoding="utf-8"))
        elif path.suffix in {".html", ".txt"} and "templates" in path.parts:
            code = templatize(path.read_text(encoding="utf-8"), origin=str(path))
            yield from _strings("\n".join(line.strip() for line in code.splitlines()))


def _strings(source: str) -> Iterator[MessageID]:
    found = extract("python", io.BytesIO(source.encode()), keywords=KEYWORDS)
    for _line, message, _comments, context in found:
        if message and message != ("", ""):
            yield context, message


def _package(name: str) -> Path:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def our_strings() -> set[MessageID]:
    return {found for name in OUR_PACKAGES for found in strings_of(ROOT / name)}


@cache
def english_strings() -> frozenset[MessageID]:
    """English strings of other people's pages that Django's own Chinese does not cover."""
    known = {
        (message.context or None, message.id)
        for name in ALREADY_TRANSLATED
        for path in _package(name).rglob("locale/zh_Hans/LC_MESSAGES/django.po")
        for message in _read(path, "zh_Hans")
        if message.id and _is_translated(message.string)
    }
    found = {found for name in ENGLISH_PACKAGES for found in strings_of(_package(name))}
    return frozenset(found - known) | DJANGO_GAPS


def wanted(language: str) -> set[MessageID]:
    return our_strings() if language == "en" else set(english_strings())


# --- Keeping the .po files ----------------------------------------------------------------------


def catalogue_path(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def _read(path: Path, language: str) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=language, ignore_obsolete=True)


def update_catalogue(language: str) -> Gaps:
    """Add what is new, drop what is gone; translations that exist are kept as they are."""
    path = catalogue_path(language)
    old = _read(path, language) if path.exists() else Catalog(locale=language)
    fresh = Catalog(
        locale=language,
        project="scrm",
        version="1",
        fuzzy=False,
        header_comment=f"# scrm, {language}",
        msgid_bugs_address="scrm",
        last_translator="scrm",
        language_team="scrm",
    )
    for context, message_id in sorted(wanted(language), key=str):
        known = old.get(message_id, context)
        translation = known.string if known and not known.fuzzy else None
        flags = known.flags - {"fuzzy"} if known else ()
        fresh.add(message_id, translation, context=context, flags=flags)
    fresh.revision_date = fresh.creation_date = old.creation_date
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, fresh, width=0, sort_output=True, omit_header=False)
    return gaps(language)


def gaps(language: str) -> Gaps:
    path = catalogue_path(language)
    catalogue = _read(path, language) if path.exists() else Catalog(locale=language)
    translated = {
        (message.context or None, message.id): _is_translated(message.string) and not message.fuzzy
        for message in catalogue
        if message.id
    }
    needed = wanted(language)
    return Gaps(
        language,
        missing=sorted(str(found[1]) for found in needed if not translated.get(found)),
        obsolete=sorted(str(found[1]) for found in translated if found not in needed),
    )


def _is_translated(text: str | tuple[str, ...] | list[str] | None) -> bool:
    return bool(text) and (isinstance(text, str) or all(text or ()))


# --- Compiling ----------------------------------------------------------------------------------


def compile_catalogues() -> int:
    """Write a .mo beside every .po that is newer. Each is swapped in whole."""
    compiled = 0
    for path in sorted(LOCALE.rglob("*.po")):
        target = path.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= path.stat().st_mtime:
            continue
        catalogue = _read(path, path.parent.parent.name)
        with NamedTemporaryFile(dir=path.parent, delete=False) as draft:
            write_mo(draft, catalogue)
        Path(draft.name).chmod(0o644)
        Path(draft.name).replace(target)
        compiled += 1
    return compiled


def uncompiled() -> list[Path]:
    """Catalogues whose .mo is missing or older."""
    return [
        path
        for path in sorted(LOCALE.rglob("*.po"))
        if not path.with_suffix(".mo").exists()
        or path.with_suffix(".mo").stat().st_mtime < path.stat().st_mtime
    ]
