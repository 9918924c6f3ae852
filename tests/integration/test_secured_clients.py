"""Clients that show a certificate and a token at once. Either side has a certificate of a CA below the trusted one."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest

import cli
import tensorferry
from certificates import Authority, Files, Pair
from harness import PROTO, TIMEOUT_S, Server
from oip.environments import KSERVE, NEWEST, run_source
from test_node import NODE_MODULES, PROGRAM

ARRAY = np.array([1, -2, 300], ">i2")
TOKEN, WRONG = "tf-secured-51c0", "tf-secured-other"


@dataclass(frozen=True)
class Secured:
    server: Server
    ca: Path  # The CA at the top, which alone is trusted, by either side.
    client: Pair  # With the certificate of the CA in between.
    alone: Pair  # Without.

    def environment(self, token: str, client: Pair | None = None) -> dict[str, str]:
        pair = client or self.client
        return {
            "TENSORFERRY_CA": str(self.ca),
            "TENSORFERRY_CERT": str(pair.certificate),
            "TENSORFERRY_KEY": str(pair.key),
            "TENSORFERRY_TOKEN": token,
        }

    @property
    def tls(self) -> tensorferry.TLS:
        return tensorferry.TLS(ca=self.ca, cert=self.client.certificate, key=self.client.key)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    top = Authority(folder / "top")
    of_servers, of_clients = top.intermediate("servers"), top.intermediate("clients")
    files = Files(folder, of_servers.sign_with_chain("server"))
    tokens = folder / "tokens"
    tokens.write_text(f"infer {TOKEN}\n")
    flags = [*files.flags, "--tls-client-ca", str(top.certificate), "--auth-token-file", str(tokens)]
    with Server(*flags) as server:
        chain, alone = of_clients.sign_with_chain("client", kind="client"), of_clients.sign("alone", kind="client")
        yield Secured(server, top.certificate, chain, alone)
        assert server.stop() == 0
        assert TOKEN not in server.log()


def test_the_command(secured: Secured, tmp_path: Path) -> None:
    file = cli.save(tmp_path / "x.npy", ARRAY)

    def convert(**environment: str) -> cli.Ran:
        return cli.run("convert", file, "--json", server=secured.server.address, environment=environment)

    ran = convert(**secured.environment(TOKEN))
    assert ran.code == cli.OK
    assert ran.json()["tensors"][0]["digest_equal"] is True
    assert convert(**secured.environment(WRONG)).code == cli.REFUSED
    assert convert(**secured.environment(TOKEN, secured.alone)).code == cli.UNREACHABLE


def test_the_python_clients(secured: Secured) -> None:
    async def convert() -> bool:
        async with tensorferry.aio.Client(secured.server.address, tls=secured.tls, token=TOKEN) as client:
            return (await client.convert(ARRAY)).digest_equal

    with tensorferry.Client(secured.server.address, tls=secured.tls, token=TOKEN) as client:
        assert client.convert(ARRAY).digest_equal
    assert asyncio.run(convert())
    with tensorferry.Client(secured.server.address, tls=secured.tls, token=WRONG) as client:
        with pytest.raises(tensorferry.RefusedError) as raised:
            client.convert(ARRAY)
        assert raised.value.reason == "UNAUTHENTICATED"


def test_node(secured: Secured) -> None:
    def convert(token: str) -> dict[str, object]:
        files = {"CA": secured.ca, "CERT": secured.client.certificate, "KEY": secured.client.key}
        done = subprocess.run(
            ["node", str(PROGRAM), secured.server.address, str(PROTO), ">i2", "3"],
            env={**os.environ, "TENSORFERRY_NODE_MODULES": str(NODE_MODULES), "TOKEN": token, **files},
            input=ARRAY.tobytes(),
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    assert convert(TOKEN)["dtype_equal"] is True
    assert convert(WRONG)["code"] == grpc.StatusCode.UNAUTHENTICATED.value[0]


TRITON = """
import sys
import numpy
import tritonclient.grpc as triton
address, ca, key, certificate, token, wrong = sys.argv[1:]
client = triton.InferenceServerClient(
    address, ssl=True, root_certificates=ca, private_key=key, certificate_chain=certificate
)
array = numpy.array([1, -2, 300], numpy.int16)
given = triton.InferInput("x", [3], "INT16")
given.set_data_from_numpy(array)
headers = {"authorization": f"Bearer {token}"}
assert (client.infer("identity", [given], headers=headers).as_numpy("x") == array).all()
try:
    client.infer("identity", [given], headers={"authorization": f"Bearer {wrong}"})
except triton.InferenceServerException as error:
    assert error.status() == "StatusCode.UNAUTHENTICATED", error
else:
    sys.exit("a wrong token was taken")
"""

KSERVE_CLIENT = """
import asyncio
import sys
import grpc
import numpy
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceGRPCClient
address, ca, key, certificate, token, wrong = sys.argv[1:]
array = numpy.array([1, -2, 300], numpy.int16)
given = InferInput("x", [3], "INT16")
given.set_data_from_numpy(array)
request = InferRequest(model_name="identity", infer_inputs=[given])


async def main():
    async with InferenceGRPCClient(
        address, use_ssl=True, root_certificates=ca, private_key=key, certificate_chain=certificate
    ) as client:
        response = await client.infer(request, headers=[("authorization", f"Bearer {token}")])
        assert (response.outputs[0].as_numpy() == array).all()
        try:
            await client.infer(request, headers=[("authorization", f"Bearer {wrong}")])
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAUTHENTICATED, error
        else:
            sys.exit("a wrong token was taken")


asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("environment", "program"), [(NEWEST, TRITON), (KSERVE, KSERVE_CLIENT)], ids=["tritonclient", "kserve"]
)
def test_clients_of_others(environment: str, program: str, secured: Secured) -> None:
    files = [secured.ca, secured.client.key, secured.client.certificate]
    run_source(environment, program, secured.server.address, *files, TOKEN, WRONG)
