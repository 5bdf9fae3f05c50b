"""Sign with a key of the SSH agent (draft-miller-ssh-agent): list its identities, and request a signature."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from imaged.api import StoreUnavailableError

from .keys import KeyId, Signature, md5_fingerprint

_REQUEST_IDENTITIES, _IDENTITIES_ANSWER = 11, 12
_SIGN_REQUEST, _SIGN_RESPONSE = 13, 14
_RSA_SHA2_256 = 2
"""The flag for SHA-256; without it an agent signs with SHA-1."""

_ALGORITHMS = {
    b"rsa-sha2-256": "rsa-sha256",
    b"ecdsa-sha2-nistp256": "ecdsa-sha256",
    b"ecdsa-sha2-nistp384": "ecdsa-sha384",
    b"ecdsa-sha2-nistp521": "ecdsa-sha512",
}
_MAXIMUM_BYTES = 1 << 18
_UINT32 = struct.Struct(">I")


class AgentKey:
    """A key of the agent. Each signature calls `socket_path` and connects again, so agent and key may start later."""

    def __init__(self, key_id: KeyId, socket_path: Callable[[], str | None], timeout_s: float = 5.0) -> None:
        self._key_id = key_id
        self._socket_path = socket_path
        self._timeout_s = timeout_s

    def sign(self, message: bytes) -> Signature:
        """Have the agent sign. Blocks; raises StoreUnavailableError."""
        path = self._socket_path()
        if not path:
            raise StoreUnavailableError("no SSH agent to sign for Manta: set SSH_AUTH_SOCK, or key_file")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
                agent.settimeout(self._timeout_s)
                agent.connect(path)
                return self._sign(agent, message)
        except (OSError, EOFError, struct.error) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise StoreUnavailableError(f"the SSH agent cannot sign for Manta: {reason}") from error

    def _sign(self, agent: socket.socket, message: bytes) -> Signature:
        identities = _ssh_strings(_ask(agent, bytes([_REQUEST_IDENTITIES]), _IDENTITIES_ANSWER)[_UINT32.size :])
        public = next(
            (public for public, _ in zip(identities, identities, strict=False) if self._key_id.matches(public)), None
        )
        if public is None:
            raise StoreUnavailableError(f"the SSH agent has no key {self._key_id.text} for Manta: add it with ssh-add")
        request = bytes([_SIGN_REQUEST]) + _ssh_string(public) + _ssh_string(message) + _UINT32.pack(_RSA_SHA2_256)
        kind, value = _ssh_strings(next(_ssh_strings(_ask(agent, request, _SIGN_RESPONSE))))
        algorithm = _ALGORITHMS.get(kind)
        if algorithm is None:
            raise StoreUnavailableError(
                f"the SSH agent signs with {kind.decode('ascii', 'replace')}, which Manta does not accept: "
                "use an RSA or ECDSA key, and an agent that supports SHA-2"
            )
        return Signature(md5_fingerprint(public), algorithm, _der(value) if kind.startswith(b"ecdsa") else value)


def _ask(agent: socket.socket, message: bytes, expected: int) -> bytes:
    agent.sendall(_ssh_string(message))
    response = _receive(agent, _UINT32.unpack(_receive(agent, _UINT32.size))[0])
    if response[:1] != bytes([expected]):
        raise OSError("it refuses the request")
    return response[1:]


def _receive(agent: socket.socket, size_bytes: int) -> bytes:
    if size_bytes > _MAXIMUM_BYTES:
        raise OSError("its response is not that of an SSH agent")
    body = b""
    while len(body) < size_bytes:
        chunk = agent.recv(size_bytes - len(body))
        if not chunk:
            raise EOFError("it closes the connection")
        body += chunk
    return body


def _ssh_string(value: bytes) -> bytes:
    return _UINT32.pack(len(value)) + value


def _ssh_strings(body: bytes) -> Iterator[bytes]:
    """Yield the SSH strings in `body`; each has its length before it."""
    while body:
        (size_bytes,) = _UINT32.unpack(body[: _UINT32.size])
        yield body[_UINT32.size : _UINT32.size + size_bytes]
        body = body[_UINT32.size + size_bytes :]


def _der(value: bytes) -> bytes:
    """Convert an ECDSA signature from SSH's format to DER, which Manta requires."""
    r, s = (int.from_bytes(each, "big") for each in _ssh_strings(value))
    return encode_dss_signature(r, s)
