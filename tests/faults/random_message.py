"""Random messages on the wire, made of a message's descriptor: each is one field, or a few, in an unusual number."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from google.protobuf.descriptor import Descriptor, FieldDescriptor

VARINT, FIXED64, LENGTH, GROUP, END_GROUP, FIXED32 = 0, 1, 2, 3, 4, 5
_FIXED = {FieldDescriptor.CPPTYPE_DOUBLE: FIXED64, FieldDescriptor.CPPTYPE_FLOAT: FIXED32}
_TEXT = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
_MAX_DEPTH = 40  # Of messages and groups in each other; protobuf's parsers stop at 100.


def varint(value: int) -> bytes:
    """A number from 0 to 2^64 - 1."""
    encoded = bytearray()
    while value >= 128:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def tag(number: int, wire_type: int) -> bytes:
    """What a field begins with."""
    return varint(number << 3 | wire_type)


def text(number: int, content: bytes) -> bytes:
    """A field of bytes, a text or a message."""
    return tag(number, LENGTH) + varint(len(content)) + content


@dataclass(frozen=True)
class Shape:
    """A message, and words that tell what it is."""

    words: str
    message: bytes


def random_shape(rng: Random, descriptor: Descriptor, nbytes: int) -> Shape:
    """A message of about `nbytes` bytes: up to three parts, of which one has nearly all the bytes."""
    parts = [_part(rng, descriptor, nbytes, 0)]
    for _ in range(rng.choice([0, 0, 1, 2])):
        parts.append(_part(rng, descriptor, rng.randrange(64), 0))
    rng.shuffle(parts)
    words, message = " + ".join(part.words for part in parts), b"".join(part.message for part in parts)
    if rng.random() < 0.05:
        return Shape(f"{words}, cut", message[: rng.randrange(len(message) + 1)])
    return Shape(words, message)


def _part(rng: Random, descriptor: Descriptor, nbytes: int, depth: int) -> Shape:
    """One field of the message, be it one that it does not have."""
    fields = list(descriptor.fields)
    if not fields or rng.random() < 0.15:
        return _unknown(rng, nbytes)
    field = rng.choice(fields)
    if field.message_type is not None:
        return _nested(rng, field, nbytes, depth)
    if field.type in _TEXT:
        return _texts(rng, field, nbytes)
    return _numbers(rng, field, nbytes)


def _repeated(words: str, unit: bytes, nbytes: int) -> Shape:
    count = max(1, nbytes // len(unit))
    return Shape(f"{words} x {count}", unit * count)


def _unknown(rng: Random, nbytes: int) -> Shape:
    """Fields that the message does not have: they are kept by a parser, each in some memory."""
    number = rng.choice([15, 999, (1 << 29) - 1])
    depth = rng.randrange(1, _MAX_DEPTH)
    units = {
        "number": tag(number, VARINT) + varint(rng.getrandbits(rng.choice([1, 64]))),
        "fixed64": tag(number, FIXED64) + bytes(8),
        "fixed32": tag(number, FIXED32) + bytes(4),
        "text": text(number, rng.randbytes(rng.choice([0, 1, 40]))),
        "group": tag(number, GROUP) + tag(number, END_GROUP),
        f"{depth} groups in each other": tag(number, GROUP) * depth + tag(number, END_GROUP) * depth,
    }
    name, unit = rng.choice(list(units.items()))
    return _repeated(f"unknown {name}", unit, nbytes)


def _texts(rng: Random, field: FieldDescriptor, nbytes: int) -> Shape:
    """One long text, or as many short ones as fit: empty, all the same, or each another."""
    kind = rng.randrange(4)
    if kind == 0:
        content = b"n" * nbytes if rng.random() < 0.7 else rng.randbytes(nbytes)
        return Shape(f"{field.name} of {nbytes} bytes", text(field.number, content))
    if kind == 1:
        return _repeated(f"empty {field.name}", text(field.number, b""), nbytes)
    if kind == 2:
        unit = text(field.number, rng.choice([b"identity", b"x", b"<f4", b"FP32", b"\xff", b"s" * 100]))
        return _repeated(f"same {field.name}", unit, nbytes)
    return _distinct(field.number, f"other {field.name}", nbytes, lambda name: name)


def _distinct(number: int, words: str, nbytes: int, content: object) -> Shape:
    """Fields with names that differ, at most 200,000 of them; the last is as long as it takes."""
    assert callable(content)
    unit = len(text(number, content(b"00000000")))
    count = min(max(1, nbytes // unit), 200_000)
    units = [text(number, content(b"%08d" % index)) for index in range(count)]
    rest = max(0, nbytes - unit * count)
    if rest:
        units.append(text(number, content(b"r" * rest)))
    return Shape(f"{words} x {count}", b"".join(units))


def _numbers(rng: Random, field: FieldDescriptor, nbytes: int) -> Shape:
    """Numbers, packed or each by itself, short or long; now and then with a wire type that is not theirs."""
    wire_type = _FIXED.get(field.cpp_type, VARINT)
    if wire_type == VARINT:
        number = varint(rng.choice([0, 1, 127, 1 << 31, (1 << 63) - 1, (1 << 64) - 1]))
    else:
        number = bytes(8 if wire_type == FIXED64 else 4)
    if rng.random() < 0.5:
        packed = number * max(1, nbytes // len(number))
        return Shape(f"packed {field.name} of {len(packed)} bytes", text(field.number, packed))
    if rng.random() < 0.1:
        return _repeated(f"wrong {field.name}", tag(field.number, FIXED32) + bytes(4), nbytes)
    return _repeated(f"single {field.name}", tag(field.number, wire_type) + number, nbytes)


def _nested(rng: Random, field: FieldDescriptor, nbytes: int, depth: int) -> Shape:
    """Messages within the message: one large one, or as many small ones as fit, empty or with a field of their own."""
    inner = field.message_type
    is_map = inner.GetOptions().map_entry
    kind = rng.randrange(4)
    if depth >= 6 or kind == 0:
        return _repeated(f"empty {field.name}", text(field.number, b""), nbytes)
    if kind == 1:
        part = _part(rng, inner, nbytes, depth + 1)
        return Shape(f"{field.name}({part.words})", text(field.number, part.message))
    if kind == 2 and (is_map or "name" in inner.fields_by_name):
        key = 1 if is_map else inner.fields_by_name["name"].number
        rest = _part(rng, inner, 8, depth + 1) if rng.random() < 0.5 else Shape("", b"")
        return _distinct(
            field.number, f"other {field.name}({rest.words})", nbytes, lambda name: text(key, name) + rest.message
        )
    part = _part(rng, inner, rng.choice([0, 4, 64, 4096, 100_000]), depth + 1)
    return _repeated(f"{field.name}({part.words})", text(field.number, part.message), nbytes)
