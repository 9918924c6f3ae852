"""A new configuration, in which what a person has changed in the former one is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tensorferry._exporting.config_text import ConfigText, Entry, Key, keyed, parse
from tensorferry._exporting.notices import warn

_CONFIG = "config.pbtxt"
# What the latest export wrote, so that the next one sees what has been changed since. Servers look at no file
# whose name begins with a dot.
_WRITTEN = ".exported.pbtxt"


class Merged(NamedTuple):
    text: str
    rows: int  # max_batch_size; 0: there are no batches.
    model_file: str  # What a person has called the model file; empty: nothing.
    kept: Sequence[str]  # What a person has changed, in words.


def former_config(folder: Path) -> ConfigText | None:
    """Raises ValueError if there is one that cannot be read."""
    file = folder / _CONFIG
    if not file.is_file():
        return None
    try:
        config = parse(file.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{file}: {error}. What has been changed in it could not be kept: mend it, or delete it"
        ) from error
    name = config.value("default_model_filename")
    if name and not re.fullmatch(r"[\w-][\w.-]*", name):
        raise ValueError(f"{file} has the default_model_filename {name!r}, which names no file of a version")
    return config


def merged_config(folder: Path, new: str) -> Merged:
    """What is to be written for `new`, the configuration of the model as it is now.

    Raises:
        ValueError: A person has changed something that would have to change with the model.
    """
    former = former_config(folder)
    if former is None:
        return Merged(new, _rows(parse(new)), "", [])
    merge = _Merge(_written(folder))
    entries = merge.entries(merge.base, former.entries, parse(new).entries, "")
    if merge.replaced:
        warn(
            f"{folder / _CONFIG} was not written by this export, which replaced {', '.join(merge.replaced)}; "
            "all else in it is kept"
        )
    result = ConfigText(entries, former.end)
    if entries:
        entries[0].lead = entries[0].lead.lstrip("\n")
    text = result.text()
    text = text if text.endswith("\n") else f"{text}\n"
    return Merged(text, _rows(result), result.value("default_model_filename"), merge.kept)


def write_config(folder: Path, text: str, new: str) -> None:
    """`new`: what export alone would have written."""
    for name, content in ((_CONFIG, text), (_WRITTEN, new)):
        file = folder / f".{name}.new"
        file.write_text(content, "utf-8")
        file.replace(folder / name)


def _written(folder: Path) -> list[Entry] | None:
    file = folder / _WRITTEN
    return parse(file.read_text("utf-8")).entries if file.is_file() else None


def _rows(config: ConfigText) -> int:
    text = config.value("max_batch_size")
    return int(text) if text.isdigit() else 0


class _Merge:
    """`base`: what the latest export wrote; None: nobody knows."""

    def __init__(self, base: list[Entry] | None) -> None:
        self.base = base
        self.kept: list[str] = []
        self.replaced: list[str] = []

    def entries(
        self, base: list[Entry] | None, theirs: list[Entry], ours: list[Entry], path: str
    ) -> list[Entry]:
        before, mine = keyed(base or []), keyed(ours)
        result: dict[Key, Entry] = {}
        for key, entry in keyed(theirs).items():
            if key in mine:
                result[key] = self._one(before.get(key), entry, mine[key], path)
            elif key not in before:
                result[key] = entry
                self.kept.append(path + entry.said())
            elif before[key].meaning() != entry.meaning():
                warn(
                    f"{_CONFIG}: {path}{_named(key)} has been changed, but the model has it no more: it is "
                    "left out"
                )
        for key in mine:
            if key not in result and key in before and base is not None:
                self.kept.append(f"no {path}{_named(key)}")
        new = {key: entry for key, entry in mine.items() if key not in result and key not in before}
        return _in_order(result, new, mine)

    def _one(self, base: Entry | None, theirs: Entry, ours: Entry, path: str) -> Entry:
        if theirs.is_message() and ours.is_message():
            inside = None if base is None or not base.is_message() else base.entries
            name = _named(next(iter(keyed([ours]))))
            if self.base is not None and inside is None:
                inside = []
            theirs.entries = self.entries(inside, theirs.entries, ours.entries, f"{path}{name}: ")
            return theirs
        if theirs.meaning() == ours.meaning():
            return theirs
        if base is not None and theirs.meaning() == base.meaning():
            theirs.head, theirs.value = ours.head, ours.value
            return theirs
        if base is not None and ours.meaning() == base.meaning():
            self.kept.append(path + theirs.said())
            return theirs
        if self.base is None:
            self.replaced.append(f"{path}{theirs.said()} by {ours.said()}")
            return ours
        raise ValueError(
            f"{_CONFIG} has {path}{theirs.said()} where the export before wrote "
            f"{base.said() if base else 'nothing'}, and this model needs {ours.said()}: write that there, or "
            "delete it"
        )


def _named(key: Key) -> str:
    return f"{key.field} {key.name}" if key.name else key.field


def _in_order(kept: Mapping[Key, Entry], new: Mapping[Key, Entry], ours: Iterable[Key]) -> list[Entry]:
    """The entries that export writes in its order, in the places of those of the same field: inputs and
    outputs are told apart by it where their names are not the model's."""
    entries = {**kept, **new}
    left: dict[str, list[Entry]] = {}
    for key in ours:
        if key in entries:
            left.setdefault(key.field, []).append(entries[key])
    last = {key.field: key for key in kept}
    result: list[Entry] = []
    mine = {*ours}
    for key, entry in kept.items():
        result.append(left[key.field].pop(0) if key in mine else entry)
        if last[key.field] == key:
            result += left.pop(key.field, [])
    result += [entry for others in left.values() for entry in others]
    for entry in result[1:]:
        entry.lead = entry.lead or "\n"
    return result
