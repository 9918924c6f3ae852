"""Dimensions whose size is left open: what `dynamic_shapes` says of them, in the forms of torch.export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch.export import Dim

from tensorferry._exporting.examples import Tensors

_FORMS = (
    "a Dim, Dim.DYNAMIC, Dim.AUTO, Dim.STATIC, None, a pair of the least and the largest size, or the size"
)

Place = tuple[str, int]  # An input's name, and the number of a dimension.


class OpenDim(NamedTuple):
    """One size that callers choose, in all the places that have it."""

    name: str  # How torch.export is to call it.
    label: str  # For error texts.
    places: tuple[Place, ...]
    size: int  # The example's.
    least: int | None  # None: nobody said.
    most: int | None
    hint: str  # DYNAMIC or AUTO, for which torch finds what is not said; empty: a range that has to be kept.

    def torchs(self) -> Any:
        """What torch.export takes for it."""
        if not self.hint:
            return Dim(self.name, min=self.least, max=self.most)
        return getattr(Dim, self.hint)(min=self.least, max=self.most)


class _Said(NamedTuple):
    """What is said of one place. Places of the same name are of one size; an empty name is nobody's."""

    name: str
    least: int | None
    most: int | None
    hint: str = ""


def open_dims(dynamic_shapes: Any, example: Tensors, is_batched: bool) -> list[OpenDim]:
    """What `dynamic_shapes` leaves open. `is_batched`: dimension 0 of all inputs is open already.

    Raises:
        ValueError: It does not fit the example.
    """
    found: dict[str, OpenDim] = {}
    for (name, number), entry in _entries(dynamic_shapes, example):
        if (said := _said(entry, name, number, example[name].shape[number])) is None:
            continue
        label = said.name or f"{name}.shape[{number}]"
        dim = OpenDim(
            said.name or f"{name}_dim{number}",
            label,
            ((name, number),),
            int(example[name].shape[number]),
            *said[1:],
        )
        if is_batched and number == 0:
            raise ValueError(
                f"dynamic_shapes names dimension 0 of input {name!r}, which dynamic_batch leaves open already"
            )
        _check_size(dim)
        found[label] = _joined(found[label], dim) if label in found else dim
    return [*found.values()]


def _entries(dynamic_shapes: Any, example: Tensors) -> Iterator[tuple[Place, Any]]:
    if dynamic_shapes is None:
        return
    if isinstance(dynamic_shapes, Mapping):
        by_input = dict(dynamic_shapes)
    elif isinstance(dynamic_shapes, Sequence) and not isinstance(dynamic_shapes, (str, bytes)):
        if len(dynamic_shapes) != len(example):
            raise ValueError(
                f"dynamic_shapes has {len(dynamic_shapes)} entries, expected one for each input: {[*example]}"
            )
        by_input = dict(zip(example, dynamic_shapes))
    else:
        raise ValueError(
            f"dynamic_shapes is {type(dynamic_shapes).__name__}, expected a dictionary by the inputs' "
            "names, or a list in their order"
        )
    for name, entry in by_input.items():
        if name not in example:
            raise ValueError(
                f"dynamic_shapes names {name!r}, which is no input; the example has {[*example]}"
            )
        yield from _of_input(name, entry, example[name].dim())


def _of_input(name: str, entry: Any, ndim: int) -> Iterator[tuple[Place, Any]]:
    if entry is None:
        return
    if isinstance(entry, Mapping):
        seen = set()
        for number, size in entry.items():
            if not isinstance(number, int) or isinstance(number, bool) or not -ndim <= number < ndim:
                raise ValueError(
                    f"dynamic_shapes names dimension {number!r} of input {name!r}, which has {ndim}, "
                    "numbered from 0"
                )
            if number % ndim in seen:
                raise ValueError(f"dynamic_shapes names dimension {number % ndim} of input {name!r} twice")
            seen.add(number % ndim)
            yield (name, number % ndim), size
    elif isinstance(entry, (list, tuple)):
        if len(entry) != ndim:
            raise ValueError(
                f"dynamic_shapes has {len(entry)} dimensions for input {name!r}, which has {ndim} in the "
                "example"
            )
        yield from (((name, number), size) for number, size in enumerate(entry))
    else:
        raise ValueError(
            f"dynamic_shapes has {type(entry).__name__} for input {name!r}, expected a dictionary by "
            "dimensions, a list with an entry for each, or None"
        )


def _said(entry: Any, name: str, number: int, size: int) -> _Said | None:
    """What an entry says of one dimension; None: that it has the example's size."""
    where = f"dimension {number} of input {name!r}"
    if entry is None or type(entry) is int:
        if entry is not None and entry != size:
            raise ValueError(f"dynamic_shapes says that {where} is {entry}, but the example has {size}")
        return None
    if isinstance(entry, type(Dim.AUTO)):
        hint = entry.type.name
        return None if hint == "STATIC" else _Said("", entry.min, entry.max, hint)
    if isinstance(entry, Dim):
        if hasattr(entry, "root"):
            raise ValueError(
                f"dynamic_shapes says that {where} is {entry.__name__}, which no server checks: give it "
                "a Dim of its own, and have the module compare the sizes"
            )
        # A Dim without a least size has 0 there; but hardly a module means arrays without elements.
        return _Said(entry.__name__, entry.min or 1, _whole(entry.max))
    if isinstance(entry, (list, tuple)) and [type(end) for end in entry] in ([int, int], [int, type(None)]):
        return _Said("", entry[0], entry[1])
    raise ValueError(f"dynamic_shapes says that {where} is {entry!r}, expected {_FORMS}")


def _whole(most: Any) -> int | None:
    return most if isinstance(most, int) else None  # Else it is torch's infinity.


def _check_size(dim: OpenDim) -> None:
    least = 0 if dim.least is None else dim.least
    if least < 0 or (dim.most is not None and dim.most <= least):
        raise ValueError(
            f"dynamic_shapes: {dim.label} is from {least} to {dim.most}, expected a range of sizes"
        )
    if dim.size < least or (dim.most is not None and dim.size > dim.most):
        (name, number), most = dim.places[0], "any" if dim.most is None else dim.most
        raise ValueError(
            f"dynamic_shapes: {dim.label} is from {least} to {most}, but the example has {dim.size} in "
            f"dimension {number} of input {name!r}"
        )


def _joined(one: OpenDim, other: OpenDim) -> OpenDim:
    if (one.least, one.most) != (other.least, other.most):
        raise ValueError(f"dynamic_shapes has two different ranges for {one.label}")
    if one.size != other.size:
        raise ValueError(
            f"dynamic_shapes: {one.label} is {one.size} in the example at {one.places[0]}, but {other.size} "
            f"at {other.places[0]}"
        )
    return one._replace(places=one.places + other.places)


def torch_shapes(dims: Sequence[OpenDim], example: Tensors, batch: Any = None) -> dict[str, dict[int, Any]]:
    """dynamic_shapes for torch.export. `batch`: the Dim of the inputs' first dimension, if that is open."""
    shapes: dict[str, dict[int, Any]] = {name: {} if batch is None else {0: batch} for name in example}
    for dim in dims:
        entry = dim.torchs()
        for name, number in dim.places:
            shapes[name][number] = entry
    return shapes
