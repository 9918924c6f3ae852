"""What the module computes at other sizes than the example's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tensorferry._exporting import examples
from tensorferry._exporting.cases import Case, check_form
from tensorferry._exporting.dims import OpenDim
from tensorferry._exporting.evaluation import Evaluation, ModuleError
from tensorferry._exporting.examples import Tensors

# Inputs are made as large as the ends of the ranges say, up to this many elements each.
_MOST_ELEMENTS = 1 << 20


class Sized(NamedTuple):
    """`refused`: inputs that the module does not take, because sizes do not fit each other. `dims`: those
    that can have another size. `recorded`: the case to record operators with."""

    cases: list[Case]
    refused: list[Case]
    dims: list[OpenDim]
    recorded: Case


class _Group(NamedTuple):
    """Dimensions that the module takes only if they have the same size, or one by itself."""

    dims: tuple[OpenDim, ...]
    sizes: frozenset[int]  # Those that it is tried with.
    other: int  # One of these, at least 2, unlike the example's and that of other groups where it can be.
    required: frozenset[int]  # Those of them that the module must take.
    is_auto: bool

    def at(self, size: int) -> dict[str, int]:
        return {dim.name: size for dim in self.dims}

    def picked(self, pick: Callable[[Iterable[int]], int] | None) -> int:
        return pick(self.sizes) if pick else self.other

    def is_fixed(self, trial: _Trial) -> bool:
        """Whether a dimension that need not be open is not."""
        return self.is_auto and not trial.takes(self.at(self.other))


class _Trial:
    """Runs the module at other sizes, each combination once."""

    def __init__(self, evaluation: Evaluation, base: Case, dims: Sequence[OpenDim]) -> None:
        self._evaluation, self._base, self._dims = evaluation, base, dims
        self._tried: dict[tuple[int, ...], Case | ModuleError] = {}
        self.refused: list[Case] = []

    def case(self, sizes: Mapping[str, int]) -> Case | ModuleError:
        key = tuple(sizes.get(dim.name, dim.size) for dim in self._dims)
        if key not in self._tried:
            self._tried[key] = self._run(dict(zip((dim.name for dim in self._dims), key)))
        return self._tried[key]

    def fits(self, sizes: Mapping[str, int]) -> bool:
        """Whether no input becomes too large to be tried."""
        elements = {name: float(tensor.numel()) for name, tensor in self._base.inputs.items()}
        for dim in self._dims:
            for name, _ in dim.places:
                elements[name] *= sizes.get(dim.name, dim.size) / max(dim.size, 1)
        return max(elements.values()) <= max(_MOST_ELEMENTS, *elements_of(self._base.inputs))

    def takes(self, sizes: Mapping[str, int]) -> bool:
        return isinstance(self.case(sizes), Case)

    def cases(self) -> list[Case]:
        return [case for case in self._tried.values() if isinstance(case, Case)]

    def _run(self, sizes: Mapping[str, int]) -> Case | ModuleError:
        changed = [dim for dim in self._dims if sizes[dim.name] != dim.size]
        what = ", ".join(f"{dim.label} = {sizes[dim.name]}" for dim in changed) or self._base.what
        inputs = dict(self._base.inputs)
        for dim in changed:
            for name, number in dim.places:
                inputs[name] = examples.resized(inputs[name], number, sizes[dim.name])
        try:
            outputs = self._evaluation.run(inputs, what)
        except ModuleError as error:
            self.refused.append(Case(what, inputs, {}))
            return error
        check_form(outputs, self._base.expected, what, "sizes")
        return Case(what, inputs, outputs)


def cases_of_sizes(evaluation: Evaluation, base: Case, dims: Sequence[OpenDim]) -> Sized:
    """Each dimension at the ends of its range and at another size, alone and together with the others.

    Raises:
        ValueError: The module does not take a size that it should, whatever the others are.
    """
    trial = _Trial(evaluation, base, dims)
    groups = [group for group in _groups(trial, dims) if not group.is_fixed(trial)]
    for group in groups:
        for size in group.sizes:
            trial.case(group.at(size))
    for pick in (min, max, None):
        sizes = {name: n for group in groups for name, n in group.at(group.picked(pick)).items()}
        if trial.fits(sizes):
            trial.case(sizes)
    for group in groups:
        _check_required(trial, group)
    recorded = trial.case(
        {name: n for group in groups if not group.is_auto for name, n in group.at(group.other).items()}
    )
    kept = [dim for group in groups for dim in group.dims]
    fixed = [dim for dim in dims if dim not in kept]
    refused = [case for case in trial.refused if all(_is_examples(case, dim) for dim in fixed)]
    return Sized(trial.cases(), refused, kept, recorded if isinstance(recorded, Case) else base)


def _is_examples(case: Case, dim: OpenDim) -> bool:
    return all(case.inputs[name].shape[number] == dim.size for name, number in dim.places)


def _check_required(trial: _Trial, group: _Group) -> None:
    dim = group.dims[0]
    for size in sorted(group.required):
        if not any(
            case.inputs[name].shape[number] == size for case in trial.cases() for name, number in dim.places
        ):
            error = trial.case(group.at(size))
            raise ValueError(
                f"dynamic_shapes leaves {dim.label} open, but {error}. Give a range that the module "
                "takes, one Dim to all dimensions that are always equal, or leave it out"
            )


def _groups(trial: _Trial, dims: Sequence[OpenDim]) -> list[_Group]:
    """One for each dimension, unless the module takes other sizes only if several change together."""
    groups: list[_Group] = []
    left = [*dims]
    while left:
        taken = {group.other for group in groups}
        alike = [dim for dim in left[1:] if dim.size == left[0].size]
        for others in ([], *([dim] for dim in alike), alike):
            group = _group([left[0], *others], trial, taken)
            if trial.takes(group.at(group.other)):
                break
        else:
            group = _group([left[0]], trial, taken)
        groups.append(group)
        left = [dim for dim in left if dim not in group.dims]
    return groups


def _group(dims: Sequence[OpenDim], trial: _Trial, taken: set[int]) -> _Group:
    size = dims[0].size
    is_range = not all(dim.hint for dim in dims)
    least = max((dim.least for dim in dims if dim.least is not None), default=None)
    most = min((dim.most for dim in dims if dim.most is not None), default=None)
    first = 1 if least is None else least
    last = 2 * size + 1 if most is None else most
    while last > size and not trial.fits({dim.name: last for dim in dims}):
        last = max(last // 2, size)
    near = [size + 1, size + 2, size + 3, size - 1, size - 2, size - 3, last, first]
    other = next((n for n in near if n >= 2 and n not in taken and first <= n <= last), size)
    required = {other}
    if least is not None or is_range:
        required.add(first)
    if most is not None or is_range:
        required.add(last)
    is_auto = all(dim.hint == "AUTO" for dim in dims)
    sizes = frozenset({min(first, size), max(last, size), other})
    return _Group(tuple(dims), sizes, other, frozenset() if is_auto else frozenset(required), is_auto)


def elements_of(inputs: Tensors) -> Iterator[int]:
    return (tensor.numel() for tensor in inputs.values())
