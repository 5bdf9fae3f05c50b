"""The real daemon stores pictures in a real S3 server and reads them back, byte for byte."""

from __future__ import annotations

import hashlib
import http.client
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml
from daemon import Daemon, until
from faulty_proxy import FaultyProxy
from moto_store import MotoS3
from rclone import RcloneS3

from imaged.testing.pictures import make_jpeg, make_png

FIVE = ["x300.jpg", "x300.webp", "w200.png", "100x50.gif", "full_size-q50.webp"]
TYPES = {"jpg": "image/jpeg", "webp": "image/webp", "png": "image/png", "gif": "image/gif"}


def settings(store: Any, url: str | None = None, **more: Any) -> str:
    """Return the settings of a daemon that uploads to a store, perhaps at another address."""
    options = {**store.options(store.bucket), **more}
    if url:
        options["endpoint_url"] = url
    return yaml.safe_dump(
        {"uploader": "s3", "remote": {"base_path": "public/images"}, "plugins": {"s3": options}, "upload": {}}
    )


def settled(daemon: Daemon) -> bool:
    """Say whether no job is queued or running."""
    status = daemon.status()
    jobs = [status["uploads"], status["promised"]]
    return not any(each["queued"] or each["current"] for each in jobs)


def bucket(client: Any, name: str) -> dict[str, Any]:
    """Return every object of the bucket, whole, by key."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=name)
    keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
    return {key: client.get_object(Bucket=name, Key=key) for key in keys}


@pytest.fixture
def rclone(rclone_s3: RcloneS3) -> RcloneS3:
    """Return a server that checks signatures, with an empty bucket."""
    rclone_s3.make_bucket()
    return rclone_s3


@pytest.fixture
def moto(moto_s3: MotoS3) -> MotoS3:
    """Return a server that keeps ACLs and storage classes, with an empty bucket."""
    moto_s3.make_bucket()
    return moto_s3


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return a client of the test's store."""
    store = request.getfixturevalue("moto" if "moto" in request.fixturenames else "rclone")
    client = store.client()
    yield client
    client.close()


def check(daemon: Daemon, info: dict[str, Any], objects: dict[str, Any]) -> dict[str, bytes]:
    """Compare the bucket with the local store: original, record and five outputs, with their types."""
    folder = f"public/images/p/{info['partitionedHash']}"
    assert sorted(objects) == sorted(f"{folder}/{name}" for name in ["original", "info.json", *FIVE])
    bodies = {}
    for key, each in objects.items():
        name = key.rpartition("/")[2]
        bodies[name] = each["Body"].read()
        assert bodies[name] == (daemon.store / "p" / info["partitionedHash"] / name).read_bytes()
        expected = {"original": "image/jpeg", "info.json": "application/json"}
        assert each["ContentType"] == (expected.get(name) or TYPES[name.rpartition(".")[2]])
        assert each["ResponseMetadata"]["HTTPHeaders"].get("cache-control", "immutable").endswith("immutable")
    return bodies


def test_a_post_with_five_outputs(make_daemon: Callable[..., Daemon], rclone: RcloneS3, client: Any) -> None:
    """Original and record are in the bucket before the answer, the outputs soon after."""
    daemon = make_daemon(settings(rclone))
    info = daemon.post(f"/p?outputs={','.join(FIVE)}", make_jpeg()).json()
    there = {path.name for path in (rclone.buckets / rclone.bucket).rglob("*") if path.is_file()}
    assert {"original", "info.json"} <= there
    until(lambda: settled(daemon), daemon)
    bodies = check(daemon, info, bucket(client, rclone.bucket))
    assert bodies["original"] == make_jpeg()


def test_acl_and_storage_class(make_daemon: Callable[..., Daemon], moto: MotoS3, client: Any) -> None:
    """Each object has the ACL, the storage class and the caching header of the settings."""
    daemon = make_daemon(settings(moto, acl="public-read", storage_class="STANDARD_IA"))
    info = daemon.post(f"/p?outputs={','.join(FIVE)}", make_jpeg()).json()
    until(lambda: settled(daemon), daemon)
    objects = bucket(client, moto.bucket)
    check(daemon, info, objects)
    for key, each in objects.items():
        assert each["StorageClass"] == "STANDARD_IA"
        assert each["CacheControl"] == "public, max-age=31536000, immutable"
        grants = client.get_object_acl(Bucket=moto.bucket, Key=key)["Grants"]
        assert "READ" in [
            grant["Permission"] for grant in grants if grant["Grantee"].get("URI", "").endswith("/AllUsers")
        ]


def test_another_node_has_every_picture(make_daemon: Callable[..., Daemon], rclone: RcloneS3, client: Any) -> None:
    """A node with an empty store downloads an original once for many clients, and refuses one that was changed."""
    first = make_daemon(settings(rclone))
    pictures = [make_png(comment=str(each)) for each in range(5)]
    infos = [first.post("/p?outputs=x30.jpg", each).json() for each in pictures]
    until(lambda: settled(first), first)
    gone = infos.pop()
    key = f"public/images/p/{gone['partitionedHash']}/original"
    client.put_object(Bucket=rclone.bucket, Key=key, Body=make_png(comment="forged"))
    second = make_daemon(settings(rclone))
    for info, body in zip(infos, pictures, strict=False):
        home = f"/p/{info['hash']}"
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _, home=home: second.get(f"{home}/x40.png"), range(8)))
        assert {answer.status for answer in answers} == {200}, [answer.body for answer in answers]
        assert second.get(f"{home}/original").body == body
        assert second.get(f"{home}/info.json").json()["sha256"] == hashlib.sha256(body).hexdigest()
    for name in ("original", "x40.png", "x30.jpg", "info.json"):
        assert second.get(f"/p/{gone['hash']}/{name}").status == 502
    assert not (second.store / "p" / gone["partitionedHash"]).exists()
    assert re.search(r"the remote original of \S+ does not match its hash", second.log.read_text())


def test_uploads_never_block_the_reactor(make_daemon: Callable[..., Daemon], rclone: RcloneS3) -> None:
    """While each upload takes half a second, the daemon answers health checks; the test prints the figures."""
    proxy = FaultyProxy(rclone.url, slow_s=0.5)
    try:
        daemon = make_daemon(settings(rclone, proxy.url), "upload.timeout_s=60")
        proxy.fault = "slow"
        bodies = [make_png(comment=str(each)) for each in range(8)]
        took_s: list[float] = []
        done = threading.Event()
        with ThreadPoolExecutor(9) as pool:
            checks = pool.submit(health_checks, daemon, took_s, done)
            try:
                answers = list(pool.map(lambda body: daemon.post("/p?outputs=x30.jpg,x40.jpg", body), bodies))
                until(lambda: len(took_s) > 200 and settled(daemon), daemon)
            finally:
                done.set()
            checks.result()
        assert {answer.status for answer in answers} == {200}, [answer.body for answer in answers]
        assert proxy.most_at_once > 1
        p99_ms = 1000 * statistics.quantiles(took_s, n=100)[98]
        print(f"/status_check: {len(took_s)} answers, p99 {p99_ms:.1f} ms, longest {1000 * max(took_s):.1f} ms")  # noqa: T201
    finally:
        proxy.close()


def health_checks(daemon: Daemon, took_s: list[float], done: threading.Event) -> None:
    """Request the health check on one connection until `done` is set."""
    address = daemon.public.removeprefix("http://").rstrip("/")
    connection = http.client.HTTPConnection(address, timeout=30)
    while not done.is_set():
        began_s = time.monotonic()
        connection.request("GET", "/status_check")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"OK\n")
        took_s.append(time.monotonic() - began_s)
        time.sleep(0.01)
    connection.close()
