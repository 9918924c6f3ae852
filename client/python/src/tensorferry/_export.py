"""From a torch module to a model in a repository."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

DEFAULT_ROWS = 64  # Rows of a batch, where nothing else is asked for.


def export(
    module: torch.nn.Module,
    example_inputs: Sequence[torch.Tensor] | Mapping[str, torch.Tensor],
    path: str | os.PathLike[str],
    *,
    format: str = "exported",
    dynamic_batch: bool = False,
    max_batch_size: int = DEFAULT_ROWS,
    portable: bool = False,
    rtol: float | None = None,
    atol: float | None = None,
    allow_tracer_warnings: bool = False,
    dynamic_shapes: Mapping[str, Any] | Sequence[Any] | None = None,
    quiet: bool = False,
) -> Path:
    """Writes a module into a model repository, as its next version, ready to be served.

    Under `path`, a folder whose name is the model's, come `VERSION/model.pt2` or `model.pt`, a `config.pbtxt`
    with the names, dtypes and shapes of inputs and outputs, and the example as a sample for the server's
    warm-up. A server that polls the repository takes the version over without dropping a request.

    Before the version appears, the file is compared with the module: on the example, on other values made
    from it, with `dynamic_batch` on rows alone and together, and with `dynamic_shapes` on other sizes. The
    module must answer the same question in the same way and not change itself; what is run is a copy of it
    that shares the parameters.

    What a person has changed in the `config.pbtxt` of earlier versions is kept: fields that export does not
    write, such as `instance_group`, and those whose value would be what it was.

    Args:
        module: In evaluation mode; its inputs and outputs are tensors.
        example_inputs: One tensor for each argument of `forward`, in order or by name. Their names become the
            inputs'. An argument that is left out keeps its default, and callers cannot give it. Outputs are
            called as the module calls them (keys of a dictionary, fields of a NamedTuple or dataclass), else
            OUTPUT__0, OUTPUT__1, ….
        path: The model's folder: "models/NAME". A name has letters of ASCII, digits, '.', '_' and '-', at
            most 128, and does not begin with '.'.
        format: "exported" writes what `torch.export.save` does, whose operators the server runs one after the
            other, on any processor; "aotinductor" compiles the module for this machine's processor, for speed
            (needs a C++ compiler); "torchscript" scripts it, or where that fails traces it with the example,
            with a warning.
        dynamic_batch: The first dimension of every input and output is the batch, of 1 to `max_batch_size`
            rows that have nothing to do with each other. The server then runs requests together that wait for
            the model at the same time.
        max_batch_size: Most rows of a batch.
        portable: With "aotinductor": compile for any x86-64 processor with AVX2, rather than for this one.
        rtol: Relative and
        atol: absolute tolerance when the exported model's outputs are compared with the module's, both or
            neither. By default those of `torch.testing.assert_close`, which depend on an output's dtype
            (float32: 1.3e-6 and 1e-5; integers: 0). NaN and infinities must be where the module has them.
        allow_tracer_warnings: Export a module that has to be traced although its Python code looks at the
            example, and pass torch's warnings on. By default it is refused, with these lines of its code.
        dynamic_shapes: The dimensions whose size callers choose, as for `torch.export.export`: for each
            input, by name or in order, its dimensions by number, `{"ids": {1: Dim("length", max=512)}}`. A
            pair `(1, 512)` is such a range without a name; of Dim.DYNAMIC and Dim.AUTO torch finds what range
            there is. Sizes that are always equal have one Dim. A Dim without `min` is at least 1. All other
            sizes are the example's. Packages and archives take the range and nothing beyond it; TorchScript
            has no ranges.
        quiet: Do not print what the server will show of the version. It goes to standard error, when all is
            compared and nothing has been written.

    Returns:
        The model file.

    Raises:
        ValueError: The arguments contradict each other, the module, or what a server takes: rows depend on
            each other, outputs have another form for other values, the module does not take every size of
            a range, the name is none, `config.pbtxt` has been changed where it has to change with the model.
        RuntimeError: The module fails, answers by chance or changes itself; torch does not take it; or the
            exported model does not compute what the module does. Nothing is written then.
        TypeError: An argument is of another type.
        OSError: The folder cannot be written.
        ImportError: There is no torch.
    """
    try:
        import torch  # noqa: F401  The next import fails without, in words that do not help.
    except ImportError as error:
        raise ImportError("tensorferry.export needs torch: pip install torch") from error
    from tensorferry._exporting.comparison import Tolerances
    from tensorferry._exporting.exporter import write_version
    from tensorferry._exporting.job import Options

    tolerances = Tolerances(rtol, atol)
    options = Options(
        format,
        dynamic_batch,
        max_batch_size,
        portable,
        tolerances,
        allow_tracer_warnings,
        dynamic_shapes,
        quiet,
    )
    return write_version(module, example_inputs, path, options)
