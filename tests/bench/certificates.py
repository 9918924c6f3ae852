"""The certificate of the servers that speak TLS: made by openssl, for 127.0.0.1, and its own authority."""

from __future__ import annotations

import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "build/bench/tls"
CERTIFICATE, KEY = FOLDER / "certificate.pem", FOLDER / "key.pem"
DAYS = 365


def make() -> None:
    """Makes both files anew, so that they never expire between two runs."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(DAYS), "-subj", "/CN=bench"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(KEY), "-out", str(CERTIFICATE)]
    subprocess.run(words, check=True, capture_output=True)
