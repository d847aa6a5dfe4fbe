"""Signatures of small files, by OpenSSH's program: the key that somebody has for SSH already signs the head of the chain."""

import subprocess
import tempfile
from pathlib import Path

from libs.models import ServiceUnavailable

_PROGRAM = "ssh-keygen"
_PURPOSE = "spatial-etl"
"""What a signature is for, and who signs, as the program wants it: one of SSH for another purpose does not count."""


def sign(content: bytes, key: Path) -> bytes:
    """The signature of a content.

    Args:
        content: What is signed.
        key: The file of a private key (Ed25519 or another that OpenSSH knows). The program asks for its passphrase.

    Raises:
        ServiceUnavailable: when the program is not there, or does not take the key.
    """
    done = _run("-Y", "sign", "-f", str(key), "-n", _PURPOSE, content=content)
    if done.returncode:
        raise ServiceUnavailable(_PROGRAM, f"it does not sign with {key}: {_said(done)}", "--sign")
    return done.stdout


def is_signed(content: bytes, signature: Path, key: Path) -> bool:
    """Whether a signature is of this content, by the owner of this key.

    Args:
        content: What was signed.
        signature: The file of the signature.
        key: The file of the public key: ``….pub``.

    Raises:
        ServiceUnavailable: when the program is not there.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".signers") as signers:
        signers.write(f"{_PURPOSE} {key.read_text()}")
        signers.flush()
        rest = "-f", signers.name, "-I", _PURPOSE, "-n", _PURPOSE, "-s", str(signature)
        return _run("-Y", "verify", *rest, content=content).returncode == 0


def _run(*arguments: str, content: bytes) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run([_PROGRAM, *arguments], input=content, capture_output=True, check=False)  # noqa: S603 - no shell
    except FileNotFoundError as error:
        message = "the program is not installed. It belongs to OpenSSH (Debian: openssh-client)."
        raise ServiceUnavailable(_PROGRAM, message, "PATH") from error


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    return done.stderr.decode(errors="replace").strip()
