"""What the TorchScript models of repository.py compute, for a real Triton's Python backend: NumPy alone."""

import json

import numpy as np
import triton_python_backend_utils as pb_utils


def read(request, name):
    return pb_utils.get_input_tensor_by_name(request, name).as_numpy()


class TritonPythonModel:
    def initialize(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        self.run = getattr(self, parameters["twin"]["string_value"])
        self.gate_file = parameters["gate"]["string_value"]
        self.version = int(args["model_version"])

    def execute(self, requests):
        return self.run(requests)

    def identity(self, requests):
        return [self.tensors(self.renamed(request)) for request in requests]

    def renamed(self, request):
        tensor = pb_utils.get_input_tensor_by_name(request, "INPUT0")
        return pb_utils.Tensor.from_dlpack("OUTPUT0", tensor.to_dlpack())

    def tensors(self, *tensors):
        return pb_utils.InferenceResponse(list(tensors))

    def arrays(self, **arrays):
        return self.tensors(*(pb_utils.Tensor(name, array) for name, array in arrays.items()))

    def plus_version(self, requests):
        return [self.arrays(OUTPUT0=read(r, "INPUT0") + np.float32(self.version)) for r in requests]

    def sum_and_difference(self, requests):
        pairs = [(read(r, "INPUT0"), read(r, "INPUT1")) for r in requests]
        return [self.arrays(OUTPUT0=a + b, OUTPUT1=a - b) for a, b in pairs]

    def sum_and_difference_of_strings(self, requests):
        def strings(numbers):
            return np.array([b"%d" % number for number in numbers], dtype=np.object_)

        pairs = [(read(r, "INPUT0").astype(np.int64), read(r, "INPUT1").astype(np.int64)) for r in requests]
        return [self.arrays(OUTPUT0=strings(a + b), OUTPUT1=strings(a - b)) for a, b in pairs]

    def scores(self, requests):
        return [self.arrays(OUTPUT0=x, OUTPUT1=x.astype(np.int32)) for x in (read(r, "INPUT0") for r in requests)]

    def fail(self, requests):
        error = pb_utils.TritonError("too few elements")
        return [pb_utils.InferenceResponse(error=error) for _ in requests]

    def gated(self, requests):
        gate = np.memmap(self.gate_file, np.int64, "r+")
        inputs = [read(request, "INPUT0") for request in requests]
        rows, largest, run = sum(map(len, inputs)), max(x.max() for x in inputs), gate[1]
        gate[1024 + run], gate[2560 + run] = rows, largest
        gate[1] = run + 1
        while gate[0] < largest:
            gate[2] += 1
        gate[3] += 1
        return [self.arrays(ROWS=np.full((len(x), 1), rows), OUTPUT0=x) for x in inputs]
