"""The text of a config.pbtxt, as a tree that gives the same text again, comments and blanks included."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

# Blanks and comments, a text in quotes, a sign by itself, or a word.
_TOKEN = re.compile(
    r"""(?P<blank>(?:[\s,;]|\#[^\n]*)+)|(?P<token>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|[{}<>\[\]:]|[^\s,;\#"'{}<>\[\]:]+)"""
)
_CLOSING = {"{": "}", "<": ">", "[": "]"}


class Key(NamedTuple):
    """What makes an entry the same one in two texts."""

    field: str
    name: str  # What a message's own `name` or `key` says.
    number: int  # Among those of the same field and name.


@dataclass
class Entry:
    """A field and its value. Its text is that of the members, one behind the other."""

    field: str
    lead: str  # Blanks and comments before it.
    head: str  # The name and the value, or the beginning of a message.
    entries: list[Entry] = dataclasses.field(default_factory=list)
    tail: str = ""  # The end of a message.
    value: tuple[str, ...] = ()  # The tokens of a value that is no message.

    def text(self) -> str:
        return self.lead + self.head + "".join(entry.text() for entry in self.entries) + self.tail

    def is_message(self) -> bool:
        return bool(self.tail)

    def meaning(self) -> object:
        """What is equal where the text means the same."""
        if not self.is_message():
            return self.value
        return {key: entry.meaning() for key, entry in keyed(self.entries).items()}

    def said(self) -> str:
        """A short form for people."""
        return f"{self.field} {{ … }}" if self.is_message() else " ".join(self.head.split())


def keyed(entries: Iterable[Entry]) -> dict[Key, Entry]:
    found: dict[Key, Entry] = {}
    for entry in entries:
        names = [each.value[0] for each in entry.entries if each.field in ("name", "key") and each.value]
        key = Key(entry.field, names[0] if names else "", 0)
        while key in found:
            key = key._replace(number=key.number + 1)
        found[key] = entry
    return found


@dataclass
class ConfigText:
    entries: list[Entry]
    end: str  # Blanks and comments behind the last entry.

    def text(self) -> str:
        return "".join(entry.text() for entry in self.entries) + self.end

    def value(self, field: str) -> str:
        """The value of a field of the text's own, without quotes; empty: it is not there."""
        values = [entry.value for entry in self.entries if entry.field == field and entry.value]
        return values[-1][0].strip("\"'") if values else ""


class _Token(NamedTuple):
    lead: str
    text: str
    line: int


def parse(text: str) -> ConfigText:
    """Raises ValueError, with the line, for what is no text of this format."""
    tokens = [*_tokens(text)]
    tokens.reverse()
    entries = _entries(tokens, "")
    return ConfigText(entries, tokens[0].lead)


def _tokens(text: str) -> Iterator[_Token]:
    lead, place = "", 0
    while place < len(text):
        line = text.count("\n", 0, place) + 1
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"line {line}: a text in quotes has no end")
        place = found.end()
        if found["token"] is None:
            lead = found["blank"]
            continue
        yield _Token(lead, found["token"], line)
        lead = ""
    yield _Token(lead, "", text.count("\n") + 1)


def _entries(tokens: list[_Token], closing: str) -> list[Entry]:
    """Those up to `closing`, which stays. `tokens` has the next one at its end."""
    entries: list[Entry] = []
    while tokens[-1].text != closing:
        name = tokens.pop()
        if not re.fullmatch(r"\w+", name.text):
            expected = "a field" if not closing else f"a field or {closing}"
            raise ValueError(f"line {name.line}: expected {expected}, got {name.text or 'the end'}")
        entries += _entry(name, tokens)
    return entries


def _entry(name: _Token, tokens: list[_Token]) -> list[Entry]:
    head = name.text
    if tokens[-1].text == ":":
        colon = tokens.pop()
        head += colon.lead + colon.text
    if tokens[-1].text in ("{", "<"):
        return [_message(Entry(name.text, name.lead, head), tokens)]
    if tokens[-1].text == "[" and tokens[-2].text in ("{", "<"):
        return _messages(name, tokens)
    entry = Entry(name.text, name.lead, head)
    if tokens[-1].text == "[":
        while tokens[-1].text not in ("]", ""):
            _take(entry, tokens)
        if not tokens[-1].text:
            raise ValueError(f"line {name.line}: the list of {name.text} has no end")
        _take(entry, tokens)
    elif not head.endswith(":") or tokens[-1].text in ("", "}", ">", "]", ":"):
        raise ValueError(f"line {name.line}: {name.text} has no value")
    else:
        is_quoted = tokens[-1].text[0] in "\"'"
        _take(entry, tokens)
        while is_quoted and tokens[-1].text[:1] in ('"', "'"):  # Texts one behind the other are one.
            _take(entry, tokens)
    return [entry]


def _take(entry: Entry, tokens: list[_Token]) -> None:
    token = tokens.pop()
    entry.head += token.lead + token.text
    entry.value += (token.text,)


def _message(entry: Entry, tokens: list[_Token]) -> Entry:
    opening = tokens.pop()
    entry.head += (opening.lead or " ") + opening.text
    entry.entries = _entries(tokens, _CLOSING[opening.text])
    closing = tokens.pop()
    entry.tail = closing.lead + closing.text
    return entry


def _messages(name: _Token, tokens: list[_Token]) -> list[Entry]:
    """A list of messages in brackets, as so many entries."""
    tokens.pop()
    entries: list[Entry] = []
    while tokens[-1].text in ("{", "<"):
        lead = "\n" if entries else name.lead
        comments = re.findall(r"#[^\n]*", tokens[-1].lead)
        tokens[-1] = tokens[-1]._replace(lead=" ")
        lead += "".join(f"{comment}\n" for comment in comments)
        entries.append(_message(Entry(name.text, lead, name.text), tokens))
    if tokens[-1].text != "]":
        raise ValueError(f"line {name.line}: the list of {name.text} has no end")
    tokens.pop()
    return entries
