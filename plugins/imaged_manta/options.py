"""The section `plugins.manta` of the YAML file, validated when it is read, not by Manta later."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from imaged.api import UnfitError

from .keys import KeyId, read_key

ROOTS = ("public", "stor")
"""The two folders of an account for objects: `public`, which is open to all, and `stor`, which is private."""

DEFAULT_PORTS = {"http": 80, "https": 443}

_NAME = re.compile(r"[A-Za-z0-9_.@%+-]+")


class Options(BaseModel):
    """The folder for the files, and the key that signs requests.

    Without `key_file` the SSH agent signs. Without `key_id` requests are not signed, which only a compute zone's own
    Manta at http://localhost accepts.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    url: str = Field(description="The address of Manta: https://, or http:// on the loopback address.")
    account: str = Field(description="The account that owns the files.")
    user: str | None = Field(default=None, description="The user of the account who signs; none: the account itself.")
    roles: list[str] = Field(
        default_factory=list, description='The roles that the user assumes; ["*"] for all of them.'
    )
    key_id: str | None = Field(
        default=None, description="The fingerprint of the SSH key to sign with, as ssh-keygen -l -f FILE prints it."
    )
    key_passphrase: SecretStr | None = Field(
        default=None, description="The passphrase of the key file, best as a reference."
    )
    key_file: str | None = Field(
        default=None, description="The private key, in PEM or OpenSSH format; none: the SSH agent signs."
    )
    folder: str = Field(
        default="",
        description="A prefix for each key (stor/images), if remote.base_path begins with neither public nor stor.",
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            host = parts.hostname if parts.port != 0 else None
        except ValueError:
            host = None
        if not host or parts.scheme not in {"https", "http"}:
            raise UnfitError("not an address such as https://us-central.manta.mnx.io")
        if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
            raise UnfitError("only https://, a host and perhaps a port: use the other options for the rest")
        if parts.scheme == "http" and not _is_loopback(host):
            raise UnfitError("use https://: plain http:// is for Manta on this machine's own loopback address")
        return url.rstrip("/")

    @field_validator("account", "user")
    @classmethod
    def _is_a_name(cls, name: str | None) -> str | None:
        if name is not None and not _NAME.fullmatch(name):
            raise UnfitError("not a name of an account or a user")
        return name

    @field_validator("roles")
    @classmethod
    def _are_names(cls, roles: list[str]) -> list[str]:
        if any(role != "*" and not _NAME.fullmatch(role) for role in roles):
            raise UnfitError("not names of roles")
        return roles

    @field_validator("key_id")
    @classmethod
    def _is_a_fingerprint(cls, key_id: str | None) -> str | None:
        if key_id is not None:
            KeyId.parse(key_id)
        return key_id

    @field_validator("key_file")
    @classmethod
    def _holds_the_key(cls, path: str | None, info: ValidationInfo) -> str | None:
        if path is None or "key_id" not in info.data or "key_passphrase" not in info.data:
            return path  # nothing to compare, or an error that is reported already
        key_id = info.data["key_id"]
        key = read_key(path, info.data["key_passphrase"])
        if key_id is not None and not KeyId.parse(key_id).matches(key.public):
            raise ValueError(f"{path} has another key than key_id: its fingerprint is {key.fingerprint}")
        return path

    @field_validator("folder")
    @classmethod
    def _is_a_folder(cls, folder: str) -> str:
        parts = folder.strip("/").split("/")
        if folder and (parts[0] not in ROOTS or not all(parts) or {".", ".."} & set(parts)):
            raise UnfitError("not a folder of Manta, which begins with public or stor, as in stor/images")
        return folder.strip("/")

    @model_validator(mode="after")
    def _has_a_key(self) -> Options:
        if self.key_id is None and self.key_file is not None:
            raise UnfitError("key_file needs key_id, the fingerprint of the key: run ssh-keygen -l -E md5 -f FILE")
        if self.key_id is None and self.url.startswith("https:"):
            raise UnfitError("https needs key_id, the fingerprint of the SSH key to sign with")
        return self

    @property
    def host(self) -> str:
        """The host of the url, with its port unless it is the default."""
        parts = urlsplit(self.url)
        port = "" if parts.port in {None, DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
        return f"{parts.hostname}{port}"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
