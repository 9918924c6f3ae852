"""Changes files of torch.export.save at random, so that the same seed and number give the same file again."""

from __future__ import annotations

import copy
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Members = dict[str, bytes]
Place = tuple[Any, Any]  # A list or dictionary, and an index or key in it.

# What no program has, or hardly one.
_VALUES: list[Any] = [
    *(None, True, 0, 1, -1, 2, 1 << 31, (1 << 63) - 1, 1 << 63, -(1 << 63), 1 << 64, 0.5, 1e308, -0.0),
    *("", "x", "aten", "torch.ops.aten.add.Tensor", "..", "\0", "ä", "x" * 5000, [], {}, [[]], {"": {}}, [0] * 100),
]
_DEEP = 300  # Lists within lists.


class Mutant(NamedTuple):
    how: str
    content: bytes
    is_damaged: bool  # Whether bytes of the archive were changed, whose checksums do not fit any more.


def mutant(content: bytes, chance: random.Random) -> Mutant:
    ways = [*_IN_BYTES, *[_json] * 6, _member]
    how = chance.choice([*ways, *[_pickle] * 6] if b"serialized_state_dict.pt" in content else ways)
    name = how.__name__.strip("_")
    if how in _IN_BYTES:
        return Mutant(name, how(bytearray(content), chance), is_damaged=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    how(members, chance)
    return Mutant(name, _packed(members), is_damaged=False)


def _packed(members: Members) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _bits(content: bytearray, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 4)):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(content)


def _cut(content: bytearray, chance: random.Random) -> bytes:
    return bytes(content[: chance.randrange(len(content))])


def _moved(content: bytearray, chance: random.Random) -> bytes:
    size = chance.randint(1, 64)
    source, target = (chance.randrange(max(len(content) - size, 1)) for _ in "ab")
    content[target : target + size] = content[source : source + size]
    return bytes(content)


def _end(content: bytearray, chance: random.Random) -> bytes:
    """The directory of the archive lies at its end."""
    for _ in range(chance.randint(1, 8)):
        content[-chance.randint(1, min(400, len(content)))] = chance.randrange(256)
    return bytes(content)


_IN_BYTES: list[Callable[[bytearray, random.Random], bytes]] = [_bits, _cut, _moved, _end]


def _member(members: Members, chance: random.Random) -> None:
    name = chance.choice([*members])
    content = members[name]
    change = chance.choice(["gone", "empty", "shorter", "longer", "other", "renamed"])
    if change == "gone":
        del members[name]
    elif change == "renamed":
        members[chance.choice(["x/", "../", "/"]) + name] = members.pop(name)
    else:
        other = members[chance.choice([*members])]
        contents = {"empty": b"", "shorter": content[:-1], "longer": content + b"\0" * 64, "other": other}
        members[name] = contents[change]


def _json(members: Members, chance: random.Random) -> None:
    """Changes one to three places in what describes the program or its weights."""
    texts = [name for name in members if name.endswith(".json") and "/extra/" not in name]
    # The program itself is the longest of them by far.
    name = chance.choices(texts, [len(members[text]) for text in texts])[0]
    tree = json.loads(members[name])
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        _change(tree, chance)
    members[name] = json.dumps(tree).encode()


def _pickle(members: Members, chance: random.Random) -> None:
    """Changes bytes of the pickled weights or constants of an archive of torch 2.7, as whose checksums they fit."""
    name = chance.choice(["serialized_state_dict.pt", "serialized_constants.pt"])
    with zipfile.ZipFile(io.BytesIO(members[name])) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    part = next(part for part in parts if part.endswith("/data.pkl"))
    pickle = bytearray(parts[part])
    for _ in range(chance.choice([1, 1, 2, 3])):
        place = chance.randrange(len(pickle))
        change = chance.choice(["bit", "byte", "gone", "twice", "moved"])
        if change == "bit":
            pickle[place] ^= 1 << chance.randrange(8)
        elif change == "byte":
            pickle[place] = chance.randrange(256)
        elif change == "moved":
            pickle = bytearray(_moved(pickle, chance))
        else:
            size = chance.randint(1, 20)
            pickle[place : place + size] = pickle[place : place + size] * (2 if change == "twice" else 0)
    parts[part] = bytes(pickle) or b"."
    members[name] = _packed(parts)


def _places(tree: Any) -> Iterator[Place]:
    children = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, child in children:
        yield tree, key
        if isinstance(child, (dict, list)):
            yield from _places(child)


def _change(tree: Any, chance: random.Random) -> None:
    places = [*_places(tree)]
    if not places:  # What there was has been taken out.
        return
    holder, key = chance.choice(places)
    value = holder[key]
    others = [other[place] for other, place in places if type(other[place]) is type(value)]
    change = chance.choice(["gone", "value", "deep", "near", "other", "other", "other", "twice", "exchanged"])
    if change == "gone":
        del holder[key]
    elif change == "twice" and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(value))
    elif change == "exchanged" and isinstance(holder, list):
        chance.shuffle(holder)
    elif change == "near" and isinstance(value, (int, float)):
        holder[key] = chance.choice([value + 1, value - 1, -value, value * 2, float(value), str(value)])
    elif change == "deep":
        holder[key] = json.loads("[" * _DEEP + "]" * _DEEP)
    elif change == "value":
        holder[key] = copy.deepcopy(chance.choice(_VALUES))
    else:
        holder[key] = copy.deepcopy(chance.choice(others))
