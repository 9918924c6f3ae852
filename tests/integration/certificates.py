"""Certificates that the `openssl` command makes: CAs, and what they sign."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness import TIMEOUT_S

_CONFIG = """
[ca]
default_ca = this
[this]
database = {folder}/index.txt
new_certs_dir = {folder}
default_md = sha256
policy = any
unique_subject = no
rand_serial = yes
[any]
commonName = optional
[server]
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
extendedKeyUsage = serverAuth
[elsewhere]
subjectAltName = DNS:elsewhere.example
extendedKeyUsage = serverAuth
[intermediate]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[client]
extendedKeyUsage = clientAuth
[client_dns]
subjectAltName = DNS:caller.example
extendedKeyUsage = clientAuth
[client_uri]
subjectAltName = URI:spiffe://example.org/caller, DNS:caller.example
extendedKeyUsage = clientAuth
"""
_EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*words: str | Path) -> str:
    command = ["openssl", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path

    @property
    def serial(self) -> int:
        return int(openssl("x509", "-in", self.certificate, "-noout", "-serial").removeprefix("serial="), 16)


class Authority:
    """A CA with a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._config = folder / "ca.cnf"
        self._config.write_text(_CONFIG.format(folder=folder))
        (folder / "index.txt").touch()
        self._own = Pair(folder / "ca.pem", folder / "ca.key")
        openssl(
            "req", "-x509", *_EC_KEY, "-days", "30", "-subj", f"/CN={folder.name}",
            "-keyout", self._own.key, "-out", self._own.certificate,
        )  # fmt: skip

    @property
    def certificate(self) -> Path:
        return self._own.certificate

    def sign(
        self, name: str, *, kind: str = "server", begin: str = "20200101000000Z", end: str = "20990101000000Z",
        subject: str | None = None, new_key: tuple[str, ...] = _EC_KEY,
    ) -> Pair:  # fmt: skip
        """Makes a key, and the certificate of a server at localhost or elsewhere, or of a client."""
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request = self._folder / f"{name}.csr"
        subject = f"/CN={name}" if subject is None else subject
        openssl("req", "-new", *new_key, "-subj", subject, "-keyout", pair.key, "-out", request)
        openssl(
            "ca", "-batch", "-notext", "-config", self._config, "-extensions", kind, "-in", request,
            "-cert", self._own.certificate, "-keyfile", self._own.key, "-startdate", begin, "-enddate", end,
            "-out", pair.certificate,
        )  # fmt: skip
        return pair

    def intermediate(self, name: str) -> Authority:
        """A CA whose certificate this one has signed."""
        below = Authority(self._folder / name)
        below._own = self.sign(name, kind="intermediate")
        return below

    def sign_with_chain(self, name: str, *, kind: str = "server") -> Pair:
        """As `sign`; in the file of the certificate this CA's own follows."""
        pair = self.sign(name, kind=kind)
        chain = self._folder / f"{name}.chain.pem"
        chain.write_bytes(pair.certificate.read_bytes() + self.certificate.read_bytes())
        return Pair(chain, pair.key)


class Files:
    """The files that a server reads, in a folder of the test."""

    def __init__(self, folder: Path, pair: Pair) -> None:
        self.certificate, self.key = folder / "tls.crt", folder / "tls.key"
        self.replace(pair)

    def replace(self, pair: Pair) -> None:
        shutil.copyfile(pair.key, self.key)
        shutil.copyfile(pair.certificate, self.certificate)

    @property
    def flags(self) -> list[str]:
        return ["--tls-cert", str(self.certificate), "--tls-key", str(self.key)]
