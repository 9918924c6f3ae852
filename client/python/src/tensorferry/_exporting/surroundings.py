"""What torch keeps outside of modules and files, and a server does not have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

_DEVICES = ("cpu", "cuda")


@contextmanager
def as_served() -> Iterator[None]:
    """Without autocast, and with torch's own default dtype, whatever is set around the export."""
    default = torch.get_default_dtype()
    with ExitStack() as stack:
        for device in _DEVICES:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        torch.set_default_dtype(torch.float32)
        stack.callback(torch.set_default_dtype, default)
        yield


def advice() -> str:
    """What to do if what is set around the export made the difference; empty: nothing is set."""
    advices = []
    if any(torch.is_autocast_enabled(device) for device in _DEVICES):
        advices.append(
            "Autocast is on around the export, which the file does not keep: put it into the module's forward"
        )
    if (default := torch.get_default_dtype()) is not torch.float32:
        advices.append(
            f"torch's default dtype is {default} here, and torch.float32 in a server: have the module name "
            "the dtypes of tensors that it makes"
        )
    return "".join(f". {each}" for each in advices)
