"""Every setting: its key, default, bounds and description. `etc/imaged.yaml` describes them at length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from imaged.config.access import AccessSettings, EraseSettings, LimitsSettings
from imaged.config.images import ImagePolicy, NamespacePolicy
from imaged.config.origins import OriginSettings
from imaged.config.section import Section
from imaged.config.values import (
    NULL_IS_EMPTY,
    BaseUrl,
    Endpoint,
    FilePath,
    FilledPluginNames,
    FolderPath,
    HeaderText,
    HostNames,
    KeyPrefix,
    Namespace,
    Networks,
    OriginName,
    Partitions,
    PluginName,
    PluginNames,
    Profiling,
    Seconds,
)


class StatusSettings(Section):
    """The status port."""

    listen: Endpoint = Field(
        "tcp:7002:interface=127.0.0.1", description="The Twisted endpoint of the status page; keep it private."
    )
    allow_hosts: HostNames = Field(
        (), description="The host names that the status port serves, besides localhost and this machine's own."
    )
    try_page: bool = Field(False, description="Whether /try offers a page that posts pictures to the public port.")
    timing_header: bool = Field(
        False, description="Whether answers have a Server-Timing header with the time of each step."
    )
    profile: Profiling = Field(
        False, description="Whether /debug offers profiles: true, which also traces memory, or cpu, which does not."
    )


class LogSettings(Section):
    """The destinations of log lines."""

    path: FilePath = Field("", description="The log file, reopened on SIGHUP; empty: standard error.")
    access: bool = Field(True, description="Whether each request has a log line.")
    access_path: FilePath = Field("", description="The log file of requests; empty: that of the other lines.")


class StoreSettings(Section):
    """The local store."""

    path: FolderPath = Field(
        "var/public", description="The folder of the store: every file lies at the path of its URL."
    )
    partitions: Partitions = Field(
        (3, 3), description="How many digits of a hash name each folder; never change it once the store holds images."
    )
    maximum_bytes: int = Field(
        0,
        ge=0,
        le=2**60,
        description="The bytes above which the store forgets outputs; 0: it forgets none for its size.",
    )
    keep_free_bytes: int = Field(
        0, ge=0, le=2**60, description="The free bytes of the disk below which the store forgets outputs; 0: none."
    )
    originals: Literal["kept", "cached"] = Field(
        "kept", description="Whether originals stay for good, or may be forgotten once the remote store has them."
    )


class RemoteSettings(Section):
    """The remote store, whichever the uploader."""

    base_path: KeyPrefix = Field("", description="The prefix of every key in the remote store.")
    base_url: BaseUrl = Field("", description="The URL that originals are read back from; empty: through the uploader.")
    reuse_outputs: bool = Field(False, description="Whether an output is first looked up in the remote store.")


class SourcesSettings(Section):
    """The bounds of fetches for `POST /{ns}?source=URL`."""

    timeout_s: Seconds = Field(10.0, description="The seconds that a source may take to send an original.")
    maximum_bytes: int = Field(
        52_428_800, ge=1, le=2**40, description="The largest original, in bytes, fetched or uploaded."
    )
    maximum_redirects: int = Field(5, ge=0, le=20, description="How many redirects imaged follows.")
    user_agent: HeaderText = Field(
        "", description="The User-Agent header for sources, perhaps with a contact; empty: imaged/VERSION."
    )
    allow_networks: Networks = Field(
        (), description="The private networks, such as 10.1.0.0/16, that sources may be in."
    )


class RenderSettings(Section):
    """The bounds of renders."""

    concurrency: int = Field(0, ge=0, le=1024, description="How many renders run at once; 0: one for each core.")
    queue: int = Field(
        100, ge=0, le=1_000_000, description="How many requests may wait; further ones are answered 503."
    )
    timeout_s: Seconds = Field(
        30.0, description="The seconds that a render may take; a client waits that long, queueing included."
    )
    maximum_pixels: int = Field(
        50_000_000,
        ge=1,
        le=2**40,
        description="The most pixels of a picture in a render, width x height x frames.",
    )
    isolation: Literal["process", "thread"] = Field(
        "process",
        description="What a render may harm: process, a worker process that is replaced; thread, the daemon itself.",
    )
    recycle_after: int = Field(
        1000, ge=1, le=1_000_000_000, description="The jobs that a worker process does before a new one replaces it."
    )
    worker_memory_bytes: int = Field(
        536_870_912,
        ge=2**20,
        le=2**40,
        description="The memory that a worker process may keep after a job; one that keeps more is replaced.",
    )


class UploadSettings(Section):
    """Uploads to the remote store."""

    concurrency: int = Field(10, ge=1, le=1024, description="How many uploads run at once.")
    timeout_s: Seconds = Field(20.0, description="The seconds that a client waits for the remote store before a 503.")


Sections = Annotated[Mapping[PluginName, Annotated[Mapping[str, Any], NULL_IS_EMPTY]], NULL_IS_EMPTY]
Policies = Annotated[Mapping[Namespace, NamespacePolicy], NULL_IS_EMPTY]
Origins = Annotated[Mapping[OriginName, OriginSettings], NULL_IS_EMPTY]


class Settings(Section):
    """All settings of the daemon. Sequences are tuples, durations seconds, sizes bytes."""

    listen: Endpoint = Field("tcp:7000:interface=127.0.0.1", description="The Twisted endpoint that serves images.")
    status: StatusSettings = Field(default_factory=StatusSettings, description="The status page.")
    log: LogSettings = Field(default_factory=LogSettings, description="The log.")
    state_dir: FolderPath = Field("var/state", description="The folder of the job queue, which survives restarts.")
    shutdown_timeout_s: float = Field(
        30.0, ge=0, le=86_400, description="The seconds that requests in flight have to end at shutdown."
    )
    store: StoreSettings = Field(
        default_factory=StoreSettings, description="The local store, which holds originals and outputs."
    )
    remote: RemoteSettings = Field(
        default_factory=RemoteSettings, description="The remote store, whatever the uploader."
    )
    images: ImagePolicy = Field(default_factory=ImagePolicy, description="The policy of every namespace.")
    namespaces: Policies = Field(
        default_factory=dict, description="The policies of namespaces: any key of images, by namespace."
    )
    access: AccessSettings = Field(default_factory=AccessSettings, description="Who may write, and signing keys.")
    limits: LimitsSettings = Field(default_factory=LimitsSettings, description="How much each client may ask for.")
    erase: EraseSettings = Field(default_factory=EraseSettings, description="What is remembered of erased pictures.")
    sources: SourcesSettings = Field(default_factory=SourcesSettings, description="The fetches of originals by URL.")
    origins: Origins = Field(
        default_factory=dict, description="The sites whose pictures are originals, by the name in their URLs."
    )
    render: RenderSettings = Field(default_factory=RenderSettings, description="The rendering of outputs.")
    processors: FilledPluginNames = Field(
        ("magick",), description="The plugins that render; the first that accepts a job gets it."
    )
    detectors: PluginNames = Field(
        (), description="The plugins that find faces or objects for smart crops; without one, edges and colours tell."
    )
    uploader: PluginName = Field("noop", description="The plugin that keeps finished files in a remote store.")
    upload: UploadSettings = Field(default_factory=UploadSettings, description="The uploads to the remote store.")
    purgers: PluginNames = Field(
        (), description="The plugins that remove erased pictures from the caches before imaged, such as a CDN."
    )
    metrics: PluginNames = Field((), description="The plugins that record events.")
    plugins: Sections = Field(
        default_factory=dict, repr=False, description="The options of plugins: a section for each, by its name."
    )

    @property
    def extensions(self) -> tuple[str, ...]:
        """Each extension that the policy of a namespace lists, sorted."""
        policies = [self.images, *map(self.policy, self.namespaces)]
        return tuple(sorted({extension for policy in policies for extension in policy.extensions}))

    def web_origins(self, namespace: str) -> tuple[str, ...]:
        """Return the origins of web pages that may read the pictures of `namespace`, as its policy does."""
        own = self.namespaces.get(namespace)
        return self.images.allow_origins if own is None or own.allow_origins is None else own.allow_origins

    @property
    def read_formats(self) -> tuple[str, ...]:
        """Each format of originals that the policy of a namespace lists, by its extension, sorted."""
        policies = [self.images, *map(self.policy, self.namespaces)]
        return tuple(sorted({extension for policy in policies for extension in policy.read_formats}))

    def policy(self, namespace: str) -> ImagePolicy:
        """Return the policy of `namespace`, which is `images` unless the namespace is listed."""
        own = self.namespaces.get(namespace)
        return self.images if own is None else own.over(self.images)
