"""The hook validates options; everything else happens on a thread."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from canned_store import CannedStore, options_at
from pydantic import ValidationError
from source_tree import ROOT

import imaged_s3
from imaged.api import OptionsError
from imaged.config.load import load
from imaged.testing.fakes import NoThreads, make_host
from imaged_s3.bucket import make_client
from imaged_s3.options import Options
from imaged_s3.timeouts import Timeouts
from imaged_s3.uploader import S3Uploader

PAGE = (ROOT / "docs" / "stores.md").read_text(encoding="utf-8")
FAULTS: list[dict[str, Any]] = [
    {},
    {"bucket": "s3://pictures"},
    {"bucket": "pictures/originals"},
    {"bucket": ""},
    {"bucket": "pictures", "buckets": "more"},
    {"bucket": "pictures", "access_key_id": "AKIAX"},
    {"bucket": "pictures", "secret_access_key": "hush"},
    {"bucket": "pictures", "access_key_id": "", "secret_access_key": ""},
    {"bucket": "pictures", "endpoint_url": "minio.example:9000"},
    {"bucket": "pictures", "endpoint_url": "https://key:hush@minio.example"},
    {"bucket": "pictures", "endpoint_url": "https://minio.example:port"},
    {"bucket": "pictures", "addressing_style": "host"},
    {"bucket": "pictures", "acl": "public"},
    {"bucket": "pictures", "storage_class": "standard"},
    {"bucket": "pictures", "storage_class": "GLACIER"},
    {"bucket": "pictures", "storage_class": "DEEP_ARCHIVE"},
    {"bucket": "pictures", "region": "eu central"},
    {"bucket": "pictures", "region": "eu-central-1."},
    {"bucket": "pictures", "server_side_encryption": "AES"},
]


@pytest.mark.parametrize("section", FAULTS)
def test_the_hook_refuses_an_invalid_section(section: dict[str, Any]) -> None:
    """The hook raises OptionsError, without the values."""
    with pytest.raises(OptionsError) as error:
        imaged_s3.imaged_uploader(make_host("s3", section))
    assert "hush" not in str(error.value)


def test_option_errors_give_advice() -> None:
    """The message shows a valid form."""
    with pytest.raises(ValidationError, match="without s3:// or a path"):
        Options(bucket="s3://pictures")
    with pytest.raises(ValidationError, match="such as https://minio"):
        Options(bucket="pictures", endpoint_url="minio")
    with pytest.raises(ValidationError, match="set both access_key_id"):
        Options(bucket="pictures", access_key_id="AKIAX")


def test_secrets_are_not_shown() -> None:
    """The repr of the options hides the keys."""
    shown = repr(make_host("s3", options_at("https://minio.example")).options(Options))
    assert "hush" not in shown
    assert "AKIAX" not in shown


@pytest.mark.parametrize(
    ("section", "style", "checksums"),
    [
        ({}, "auto", "when_supported"),
        ({"endpoint_url": "https://minio.example/"}, "path", "when_required"),
        ({"endpoint_url": "https://minio.example", "addressing_style": "virtual"}, "virtual", "when_required"),
    ],
)
def test_the_client_suits_the_store(section: dict[str, str], style: str, checksums: str) -> None:
    """Stores other than Amazon get path addressing, and no checksums that boto3 1.36 introduced."""
    client = make_client(Options(bucket="pictures", **section), 7, Timeouts())  # type: ignore[arg-type]
    config = client.meta.config
    client.close()
    assert config.s3["addressing_style"] == style
    assert config.request_checksum_calculation == checksums
    assert config.response_checksum_validation == checksums
    assert config.max_pool_connections == 7
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert (config.connect_timeout, config.read_timeout, config.tcp_keepalive) == (5, 20, True)


def test_there_is_a_thread_for_each_upload_until_close() -> None:
    """`close` releases the threads, also when no client was made."""
    made: list[NoThreads] = []

    def make_threads(size: int) -> NoThreads:
        made.append(NoThreads(size))
        return made[-1]

    host = make_host("s3", {"bucket": "pictures"}, make_threads=make_threads, upload_concurrency=6)
    uploader = imaged_s3.imaged_uploader(host)
    assert isinstance(uploader, S3Uploader)
    uploader.close()
    assert [(each.size, each.released) for each in made] == [(6, True)]


def test_the_status_page_shows_where_files_go(store: CannedStore) -> None:
    """`detail` is the bucket, and the endpoint if it is not Amazon's."""
    for section, detail in (
        ({"bucket": "pictures"}, "s3://pictures"),
        (store.options(), f"s3://pictures at {store.url}"),
    ):
        uploader = imaged_s3.imaged_uploader(make_host("s3", section))
        assert isinstance(uploader, S3Uploader)
        assert uploader.detail == detail


@pytest.mark.parametrize(
    ("section", "environ", "identity"),
    [
        ({}, {}, "s3.amazonaws.com/pictures"),
        ({"region": "eu-west-1"}, {}, "s3.amazonaws.com/pictures"),
        ({"endpoint_url": "https://s3.eu-west-1.amazonaws.com"}, {}, "s3.amazonaws.com/pictures"),
        ({"region": "cn-north-1"}, {}, "s3.amazonaws.com.cn/pictures"),
        ({"endpoint_url": "https://s3.cn-north-1.amazonaws.com.cn"}, {}, "s3.amazonaws.com.cn/pictures"),
        ({"region": "us-gov-west-1"}, {}, "s3.us-gov.amazonaws.com/pictures"),
        ({"endpoint_url": "https://MinIO.example:443/"}, {}, "minio.example/pictures"),
        ({"endpoint_url": "http://minio.example:80"}, {}, "minio.example/pictures"),
        ({"endpoint_url": "http://minio.example:9000/s3/"}, {}, "minio.example:9000/s3/pictures"),
        (
            {"endpoint_url": "http://a.example", "access_key_id": "me", "secret_access_key": "x"},
            {},
            "a.example/pictures",
        ),
        ({"acl": "private", "storage_class": "STANDARD_IA"}, {}, "s3.amazonaws.com/pictures"),
        ({}, {"AWS_ENDPOINT_URL": "https://b.example"}, "b.example/pictures"),
        (
            {},
            {"AWS_ENDPOINT_URL": "https://b.example", "AWS_ENDPOINT_URL_S3": "https://c.example"},
            "c.example/pictures",
        ),
        ({"endpoint_url": "https://d.example"}, {"AWS_ENDPOINT_URL": "https://b.example"}, "d.example/pictures"),
        (
            {},
            {"AWS_ENDPOINT_URL": "https://b.example", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True"},
            "s3.amazonaws.com/pictures",
        ),
    ],
)
def test_identity_is_host_and_bucket(
    section: dict[str, str], environ: dict[str, str], identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`identity` does not depend on the scheme, the credentials or the addressing style."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    uploader = imaged_s3.imaged_uploader(make_host("s3", {"bucket": "pictures", **section}))
    assert isinstance(uploader, S3Uploader)
    assert uploader.identity == identity


def test_the_hook_makes_no_connection_and_imports_no_boto3() -> None:
    """Both would block the reactor."""
    program = (
        "import sys, imaged_s3; from imaged.testing.fakes import make_host; "
        "assert imaged_s3.imaged_uploader(make_host('s3', {'bucket': 'pictures'})); "
        "print(sorted({'boto3', 'botocore'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_a_missing_boto3_is_reported_with_advice() -> None:
    """Loading the plugin fails, not the first upload."""
    program = "import sys; sys.modules['boto3'] = None; import imaged_s3"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    last = ended.stderr.splitlines()[-1]
    assert last == f"ImportError: boto3 is missing: {sys.executable} -m pip install 'boto3>=1.37'"


def test_the_page_has_every_option() -> None:
    """The table of docs/stores.md has all options, and its example is valid."""
    (table,) = re.findall(r"\| option \|.*?\n\n", PAGE, re.DOTALL)
    documented = re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.strip().splitlines()))
    assert sorted(documented) == sorted(Options.model_fields)
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    loaded = load(example, "imaged.yaml", environ={"S3_ACCESS_KEY_ID": "AKIAX"}, read_bytes=str.encode)
    assert loaded.faults == ()
    assert make_host("s3", loaded.settings.plugins["s3"]).options(Options).bucket == "pictures"


@pytest.mark.parametrize("text", re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
def test_the_page_has_sound_json(text: str) -> None:
    """The JSON examples parse."""
    assert json.loads(text)
