"""The section `plugins.s3` of the YAML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from imaged.api import UnfitError

BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
"""Looser than Amazon's current rules: old buckets, and other stores, have upper case and underscores."""

REGION = r"^[a-zA-Z0-9][a-zA-Z0-9-]{0,61}[a-zA-Z0-9]$"
"""What boto3 accepts as a region, which becomes a part of a host name."""

ARCHIVES = {"GLACIER", "DEEP_ARCHIVE"}
"""Storage classes of Amazon that take hours to read."""

AddressingStyle = Literal["auto", "path", "virtual"]

AMAZON = (".amazonaws.com", ".amazonaws.com.cn")
PARTITIONS = {"cn-": "s3.amazonaws.com.cn", "us-gov-": "s3.us-gov.amazonaws.com"}
"""Amazon's partitions with bucket names of their own, by the prefix of their regions."""

ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
DEFAULT_PORTS = {"http": 80, "https": 443}

CannedAcl = Literal[
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
]


class Options(BaseModel):
    """The section `plugins.s3` of the YAML file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    bucket: str = Field(description="The bucket, which must exist.")
    region: Annotated[str, Field(pattern=REGION)] | None = Field(
        default=None, description="The region of the bucket; none: what the AWS libraries find, else us-east-1."
    )
    endpoint_url: str | None = Field(
        default=None,
        description="The address of a store other than Amazon's, without the bucket: https://minio.example:9000.",
    )
    access_key_id: str | None = Field(
        default=None,
        min_length=1,
        repr=False,
        description="The key to sign with, together with secret_access_key; none: what the AWS libraries find.",
    )
    secret_access_key: Annotated[SecretStr, Field(min_length=1)] | None = Field(
        default=None, description="The secret of access_key_id, best as a reference."
    )
    addressing_style: AddressingStyle | None = Field(
        default=None,
        description="Where the bucket is: path, or virtual (host name); none: path with endpoint_url, else auto.",
    )
    acl: CannedAcl | None = Field(
        default=None, description="A canned ACL for every file; new buckets of Amazon accept none."
    )
    storage_class: Annotated[str, Field(pattern=r"^[A-Z0-9_]+$")] | None = Field(
        default=None,
        description="The storage class of every file, such as STANDARD_IA; none: the bucket's. Archives are refused.",
    )
    # The bytes of a key never change: the key contains the hash of the original.
    cache_control: str = Field(
        default="public, max-age=31536000, immutable",
        description="The Cache-Control of every file, whose bytes never change; empty: none.",
    )
    server_side_encryption: Literal["AES256", "aws:kms"] | None = Field(
        default=None, description="How the store encrypts files; none: the bucket's default."
    )

    @field_validator("bucket")
    @classmethod
    def _is_a_name(cls, bucket: str) -> str:
        if not BUCKET_NAME.fullmatch(bucket):
            raise UnfitError(
                "not a bucket name: use 3 or more letters, digits, dots and hyphens, without s3:// or a path"
            )
        return bucket

    @field_validator("storage_class")
    @classmethod
    def _gives_back_at_once(cls, storage_class: str | None) -> str | None:
        if storage_class in ARCHIVES:
            raise UnfitError("an archive takes hours to read back: use another storage class")
        return storage_class

    @field_validator("endpoint_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            sound = False
        if not sound or "@" in parts.netloc or parts.query or parts.fragment:
            raise UnfitError("not an address such as https://minio.example:9000, without keys or bucket")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _keys_are_a_pair(self) -> Options:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise UnfitError(
                "set both access_key_id and secret_access_key, or neither to use what the AWS libraries find: the "
                " environment, ~/.aws, or the role of the machine"
            )
        return self

    @property
    def addressing(self) -> AddressingStyle:
        """The addressing style; few stores other than Amazon's have a host name for each bucket."""
        return self.addressing_style or ("path" if self.endpoint_url else "auto")

    @property
    def uri(self) -> str:
        """The bucket as `s3://NAME`."""
        return f"s3://{self.bucket}"

    def identity(self, environ: Mapping[str, str]) -> str:
        """Return which store this is: the host that serves the bucket, and the bucket.

        The scheme and the credentials are not part of it. Bucket names are unique over all regions of an Amazon
        partition: China, the government of the United States, and everything else.
        """
        configured = environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true"
        named = (environ.get(name) for name in ENDPOINT_VARIABLES if configured)  # which boto3 reads, too
        parts = urlsplit(self.endpoint_url or next(filter(None, named), ""))
        host = parts.hostname or ""
        if not host or host.endswith(AMAZON):
            region = f"{self.region or ''} {host}"
            host = next((host for part, host in PARTITIONS.items() if part in region), "s3.amazonaws.com")
            return f"{host}/{self.bucket}"
        port = "" if parts.port in {None, DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
        return f"{host}{port}{parts.path.rstrip('/')}/{self.bucket}"

    def headers(self, content_type: str) -> dict[str, str]:
        """Return the headers of an uploaded file, by boto3's names."""
        message = {
            "ContentType": content_type,
            "CacheControl": self.cache_control,
            "ACL": self.acl,
            "StorageClass": self.storage_class,
            "ServerSideEncryption": self.server_side_encryption,
        }
        return {name: value for name, value in message.items() if value}
