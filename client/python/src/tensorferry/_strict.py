"""What `torch.from_numpy` refuses for reasons that do not travel: objects, strides, twins of dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tensorferry._errors import Label, array_error
from tensorferry._sources import USER_DTYPE

# int32 and int64 have twins with equal type strings. torch takes these twins as well.
_TAKEN_TWINS = {np.dtype("intc").num, np.dtype("longlong").num}


def check_strict(array: Any, label: Label) -> None:
    """Errors: ArrayError if `torch.from_numpy` takes no such object, strides or type.

    Dtypes and byte orders that travel are left to the server, which refuses them in torch's order.
    """
    if not isinstance(array, np.ndarray):
        problem = f"torch.from_numpy takes NumPy arrays only, not {type(array).__name__}"
        raise array_error(label, problem, "NOT_AN_ARRAY")
    array = np.asarray(array)  # A subclass may say something else of its strides.
    for stride in array.strides:
        if array.itemsize and stride % array.itemsize:
            problem = f"a stride of {stride} bytes is no multiple of the {array.itemsize} bytes of an element"
            raise array_error(label, f"{problem}; send array.copy()", "STRICT_STRIDES")
    if min(array.strides, default=0) < 0:
        problem = f"of the strides {array.strides} some are negative, which no tensor's can be"
        raise array_error(label, f"{problem}; send array.copy()", "STRICT_STRIDES")
    if _is_refused_twin(array.dtype):
        problem = f"torch.from_numpy does not take NumPy's type '{array.dtype.char}'"
        problem = f"{problem}; send array.astype('{array.dtype}')"
        raise array_error(label, problem, "UNSUPPORTED_DTYPE", field="dtype", actual=array.dtype.char)


def _is_refused_twin(dtype: np.dtype[Any]) -> bool:
    """Whether it shares its type string with another type, which torch knows, as ulonglong with uint64."""
    if dtype.kind not in "biufc" or dtype.isbuiltin == USER_DTYPE or not dtype.isnative:
        return False
    return dtype.num != np.dtype(dtype.str).num and dtype.num not in _TAKEN_TWINS
