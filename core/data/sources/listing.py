"""Which files a path stands for: one file, or all below a folder, links followed and loops left."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, unquote, urlsplit

from core.data.dataset import DatasetError
from core.data.sources.source import Skipped

Item = TypeVar("Item")
LITTER = frozenset({"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin"})
"""What operating systems leave among a person's files, beside names with a leading dot."""


@dataclass(frozen=True)
class ListedFile:
    """A regular file: where it is, its path below the folder ("/" between parts), bytes and time of change."""

    path: str
    name: str
    size: int
    changed_ns: int

    @property
    def suffix(self) -> str:
        """In small letters, with its dot."""
        return os.path.splitext(self.name)[1].lower()

    @property
    def shown(self) -> str:
        return shown(self.name)


@dataclass
class Listing:
    """What lies below ``root``, or the one file that it is. ``folders`` are all below it, "/" at their ends."""

    root: Path
    files: list[ListedFile] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def located(path: str | os.PathLike[str]) -> Path:
    """The absolute path that a person wrote: with ``~``, as ``file://`` address, or relative to the working folder.

    Blanks or quotes around a text, as copying leaves them, are dropped unless they are part of a name that exists.
    """
    text = os.fspath(path)
    if isinstance(path, str) and not os.path.lexists(os.path.expanduser(text)):
        return likely_place(text)
    return stored_place(text)


def likely_place(text: str) -> Path:
    """What ``located`` gives for a ``text`` that a person wrote, if it has no blanks or quotes around it that belong to
    a name. Looks at no file."""
    text = text.strip()
    return stored_place(text[1:-1] if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"" else text)


def stored_place(text: str) -> Path:
    """The absolute path that a configuration holds as ``text`` (see ``written``). Looks at no file."""
    if text.lower().startswith("file:"):
        parts = urlsplit(text)
        text = unquote(parts.path, errors="surrogateescape")
        if parts.netloc not in ("", "localhost"):
            text = f"//{parts.netloc}{text}"
        if os.name == "nt":
            text = text.lstrip("/") if text[2:3] == ":" else text
    return Path(os.path.abspath(os.path.expanduser(text)))


def written(path: Path) -> str:
    """``path`` as a configuration holds it: as it is, or, if it is no UTF-8, as a ``file://`` address."""
    text = str(path)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "file://" + quote(os.fsencode(text))
    return text


def shown(name: str) -> str:
    """``name`` as it can be printed and stored: bytes that are no UTF-8 become the replacement character."""
    return os.fsencode(name).decode("utf-8", "replace")


def listed(path: str | os.PathLike[str], tick: Callable[[], object] = int) -> Listing:
    """The file, or every file below the folder. Raises ``DatasetError`` if it is neither, or cannot be read.

    ``tick`` is called for each folder; an exception that it raises ends the listing.

    Hidden files and folders and those of ``LITTER`` are left out. Each folder is read once, however many links lead to
    it, its own place before any link. Files are in the order of their bytes.
    """
    root = located(path)
    try:
        status = os.stat(root)
    except OSError as error:
        gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        fault = "does not exist" if gone else f"cannot be read ({error.strerror or error})"
        raise DatasetError(f"{shown(str(root))} {fault}; give a folder of images or a file with images.") from error
    listing = Listing(root)
    if stat.S_ISREG(status.st_mode):
        listing.files.append(ListedFile(str(root), root.name, status.st_size, status.st_mtime_ns))
    elif root == Path(root.anchor):
        raise DatasetError(f"{root} is a whole disk; give the folder of the images on it.")
    elif stat.S_ISDIR(status.st_mode):
        _list_folder(listing, tick)
        listing.files.sort(key=lambda file: file.name)
        listing.folders.sort()
    else:
        raise DatasetError(f"{shown(str(root))} is neither a folder nor a file, but a pipe or a device; give a file.")
    return listing


def _list_folder(listing: Listing, tick: Callable[[], object]) -> None:
    seen: set[tuple[int, int]] = set()
    here: list[tuple[str, str]] = [("", str(listing.root))]
    linked: deque[tuple[str, str]] = deque()
    while here or linked:
        # Links wait until all folders are read in their own places, which is what they are named by.
        below, folder = here.pop() if here else linked.popleft()
        tick()
        try:
            status = os.stat(folder)
            entries = list(os.scandir(folder))
        except OSError as error:
            if not below:
                raise DatasetError(f"{shown(folder)} cannot be read ({error.strerror or error}).") from error
            listing.skipped.append(Skipped(shown(below), f"the folder cannot be read ({error.strerror or error})"))
            continue
        if (status.st_dev, status.st_ino) in seen:
            listing.notes.append(f"The linked folder {shown(below)} is read in its own place, not a second time.")
            continue
        seen.add((status.st_dev, status.st_ino))
        if below:
            listing.folders.append(below)
        for entry in entries:
            if not entry.name.startswith(".") and entry.name.lower() not in LITTER:
                _list_entry(listing, entry, f"{below}{entry.name}", here, linked)


def _list_entry(
    listing: Listing,
    entry: os.DirEntry[str],
    name: str,
    here: list[tuple[str, str]],
    linked: deque[tuple[str, str]],
) -> None:
    try:
        status = entry.stat()
    except OSError as error:
        gone = entry.is_symlink() and isinstance(error, FileNotFoundError)
        reason = "a link to a file that is gone" if gone else f"cannot be read ({error.strerror or error})"
        listing.skipped.append(Skipped(shown(name), reason))
        return
    if stat.S_ISDIR(status.st_mode):
        (linked if entry.is_symlink() else here).append((f"{name}/", entry.path))
    elif stat.S_ISREG(status.st_mode):
        listing.files.append(ListedFile(entry.path, name, status.st_size, status.st_mtime_ns))
    else:
        listing.skipped.append(Skipped(shown(name), "a pipe or a device, not a file"))


def walked(root: Path, skipped: list[Skipped]) -> Iterator[str]:
    """The names below the folder ``root`` of its files, however many: folder by folder, in the order of their
    characters, with the memory that the names of the largest folder take.

    What ``listed`` leaves out is left out; what cannot be read goes into ``skipped``. Files are not looked at.
    """
    seen: set[tuple[int, int]] = set()
    folders = [""]
    while folders:
        below = folders.pop()
        try:
            status = os.stat(root / below)
            if (status.st_dev, status.st_ino) in seen:  # a link that leads round in a circle, or to the same again
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(root / below) as entries:
                names = sorted(
                    f"{entry.name}/" if entry.is_dir() else entry.name
                    for entry in entries
                    if not entry.name.startswith(".") and entry.name.lower() not in LITTER
                )
        except OSError as error:
            why = f"the folder cannot be read ({error.strerror or error})"
            skipped.append(Skipped(shown(below or str(root)), why))
            continue
        folders += [f"{below}{name}" for name in reversed(names) if name.endswith("/")]
        yield from (f"{below}{name}" for name in names if not name.endswith("/"))


def in_natural_order(names: Iterable[Item], key: Callable[[Item], str]) -> list[Item]:
    """Items by the path ``key`` of each, folder by folder: "2" before "10", "a.png" before "a1.png"."""
    from natsort import natsort_keygen

    natural = natsort_keygen()
    of_folder = lru_cache(maxsize=None)(lambda folder: tuple(natural(part) for part in folder.split("/")))

    def place(item: Item) -> tuple:
        folder, _, file = shown(key(item)).rpartition("/")
        stem, dot, suffix = file.rpartition(".")
        return of_folder(folder), natural(stem if dot else file), suffix

    return sorted(names, key=place)
