import sys

import numpy as np

import tensorferry

address = sys.argv[1] if len(sys.argv) > 1 else "localhost:8001"
with tensorferry.Client(address) as client:
    for dtype in (np.int32, np.int16):
        receipt = client.convert(np.array([1, 2, 3, 4], dtype))
        print(f"torch.{receipt.dtype}, bits equal: {receipt.digest_equal}")
    outputs = client.infer("identity", {"x": np.array([0.5, -2], ">f8")})
    print(outputs["x"])
