"""Answers requests on the public port: posts of originals, outputs, originals and their records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field

from twisted.web.http import Request

from imaged.core.activity import Activity
from imaged.core.clients import Charge, client_key
from imaged.core.errors import BusyError, GoneError, ImagedError, NotFoundError, TooManyRequestsError
from imaged.core.files import ORIGINAL, ImageFile, Original, Record, parse_file
from imaged.core.hashes import ImageId
from imaged.core.outputs import AUTO, Output
from imaged.core.pictures import ImageInfo
from imaged.core.tracing import HIT
from imaged.pipeline.auto_outputs import auto_output
from imaged.pipeline.origins import Found
from imaged.pipeline.pipeline import Pipeline
from imaged.store.disk import FileBody, OpenFile
from imaged.web.answers import send_json, send_nothing, send_page
from imaged.web.clients import Clients
from imaged.web.deletes import answer_delete
from imaged.web.errors import public_text
from imaged.web.files import LASTING, send_file
from imaged.web.freshness import Freshness
from imaged.web.guards import Guard, guard_parameters, read_asked
from imaged.web.headers import accept_of
from imaged.web.hits import Hit, Hits, caching_of
from imaged.web.parameters import read_parameters
from imaged.web.paths import (
    ErasePath,
    FilePath,
    ForgetPath,
    HealthPath,
    NamespacePath,
    OriginPath,
    ProcessPath,
    PublicPath,
    SrcsetPath,
    describe_request,
    read_path,
)
from imaged.web.posts import POST_PARAMETERS, PROCESS_PARAMETERS, asked_outputs, ingest
from imaged.web.read_guard import ReadGuard
from imaged.web.requests import ImagedRequest
from imaged.web.srcset import SRCSET_PARAMETERS, describe_img, format_img, read_srcset

_READ = (b"GET", b"HEAD")
_HEALTH = b"/status_check"

_IMG_POLICY = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'"
_IMG_CACHING = "public, max-age=300"
"""A reload may change the largest width."""

MAXIMUM_POSTS = 1000
"""How many posts may run at once, including posts that wait for the same source."""


@dataclass(frozen=True)
class PublicSite:
    """Answers requests with the current generation, which each request leases until its answer begins.

    `current` returns the pipeline of this generation, for an answer that does not wait. `send_health` answers
    `/status_check`. Every other request first calls `check_running` with its start time, which may raise BusyError.
    `preflight` returns the headers of the answer to a preflight, or None for any other request. Each of the `guards` is
    asked about each request, once, before its body is read, unless `hits` knows the answer: then `reads` alone is.
    `clients` counts what each client asks for, before the guards.
    """

    current: Callable[[], Pipeline]
    lease: Callable[[], AbstractContextManager[Pipeline]]
    posting: Activity[str]
    send_health: Callable[[Request], None]
    check_running: Callable[[float], None]
    reads: ReadGuard
    clients: Clients
    preflight: Callable[[Request], Mapping[str, str] | None] = lambda _request: None
    guards: Sequence[Guard] = ()
    hits: Hits = field(default_factory=Hits)

    def answer_at_once(self, request: ImagedRequest) -> bool:
        """Answer with a stored output that the current generation has sent before, and return True.

        Return False for any other request, which `handle` answers. Raises ImagedError as `handle` does.
        """
        pipeline = self.current()
        if pipeline.settings.limits.requests_per_s and not request.has_body:
            self._count_request(request, pipeline)
        hit = self.hits.find(pipeline, request)
        if hit is None or request.method not in _READ or not hit.lasts(request.began_s):
            return False
        hit.describe(request.trace)
        self.check_running(request.began_s)
        self._check_hit(request, hit, pipeline)
        opened = pipeline.store.variants.reopen(hit.file)
        if opened is None:
            return False
        request.trace.outcome = HIT
        self._send(request, opened, hit.content_type, hit.tag, hit.caching, is_public=hit.is_public, fresh=hit.fresh)
        return True

    def _check_hit(self, request: ImagedRequest, hit: Hit, pipeline: Pipeline) -> None:
        """Check the signature of a request for a hit."""
        parameters = guard_parameters(request.uri)
        if not hit.is_public:
            self.reads.check(request.path.decode("latin-1"), parameters, pipeline.settings.access.signing_keys)

    def examine(self, request: ImagedRequest, has_body: bool) -> None:  # noqa: FBT001  # the signature of a site
        """Raise, before the body is read, any ImagedError that the head of the request causes."""
        if has_body:
            if (pipeline := self.current()).settings.limits.requests_per_s:
                self._count_request(request, pipeline)
            path = read_path(request)
            if not isinstance(path, HealthPath):
                self.check_running(request.began_s)
            with self.lease() as pipeline:
                self._check_guards(request, path, pipeline)
                match path:
                    case NamespacePath(namespace):
                        self._admit_post(request, namespace, pipeline)
                    case ProcessPath(image):
                        _wanted(request, image.namespace, PROCESS_PARAMETERS, pipeline)

    async def handle(self, request: ImagedRequest) -> None:
        """Answer one request, or raise the ImagedError to answer with."""
        if (permitted := self.preflight(request)) is not None:
            send_nothing(request, permitted)
            return
        with self.lease() as pipeline:
            path = read_path(request)
            describe_request(request.trace, path, pipeline.formats)
            if not isinstance(path, HealthPath):
                self.check_running(request.began_s)
            if not request.has_body:  # else `examine` has checked it
                self._check_guards(request, path, pipeline)
            await self._answer(request, path, pipeline)

    def _check_guards(self, request: ImagedRequest, path: PublicPath, pipeline: Pipeline) -> None:
        asked = read_asked(request, path, request.address)
        if asked is not None:
            for guard in self.guards:
                guard(asked, pipeline.settings)

    async def _answer(self, request: ImagedRequest, path: PublicPath, pipeline: Pipeline) -> None:
        match path:
            case HealthPath():
                self.send_health(request)
            case NamespacePath(namespace):
                if not request.has_body:
                    self._admit_post(request, namespace, pipeline)
                with self.posting.track(namespace):
                    await _post(request, namespace, pipeline, self.clients.charge(request.address))
            case ProcessPath(image):
                await _process(request, image, pipeline, self.clients.charge(request.address))
            case SrcsetPath(image):
                await _send_srcset(request, image, pipeline, lambda output: f"/{pipeline.store.key(image, output)}")
            case ErasePath() | ForgetPath():
                await answer_delete(request, path, pipeline)
            case FilePath(image, name):
                await self._send_named(request, image, name, pipeline)
            case OriginPath():
                await self._send_from_origin(request, path, pipeline)

    async def _send_from_origin(self, request: ImagedRequest, path: OriginPath, pipeline: Pipeline) -> None:
        """Answer with a file of the picture that an origin has at a path."""
        if path.name != "srcset" and isinstance(file := _asked(pipeline, path.namespace, path.name), Output):
            pipeline.settings.policy(path.namespace).check(file)  # a refusal fetches nothing
        place = path.namespace, path.origin, path.path
        found = await pipeline.origins.find(*place)
        try:
            await self._send_found(request, found, path.name, pipeline)
        except GoneError:
            raise
        except NotFoundError:  # no store has the original any more
            if found.is_fetched:
                raise
            await self._send_found(request, await pipeline.origins.fetch(*place), path.name, pipeline)

    async def _send_found(self, request: ImagedRequest, found: Found, name: str, pipeline: Pipeline) -> None:
        request.trace.cache_tag = found.image.cache_tag
        if name == "srcset":
            folder = request.path.rpartition(b"/")[0].decode("ascii", "replace")
            await _send_srcset(request, found.image, pipeline, lambda output: f"{folder}/{output}")
        else:
            await self._send_named(request, found.image, name, pipeline, Freshness.of(found, request.began_s))

    async def _send_named(
        self, request: ImagedRequest, image: ImageId, name: str, pipeline: Pipeline, fresh: Freshness | None = None
    ) -> None:
        """Answer with a file of a picture. `fresh` is that of a path of an origin."""
        match _asked(pipeline, image.namespace, name):
            case Record():
                info = await pipeline.originals.described(image)
                send_json(request, await _describe(pipeline, image, info))
            case Original():
                await self._send_original(request, image, pipeline, fresh)
            case Output(extension=extension) as output if extension == AUTO:
                await self._send_auto(request, image, output, pipeline, fresh)
            case output:
                await self._send_output(request, image, output, pipeline, fresh)

    async def _send_output(
        self, request: ImagedRequest, image: ImageId, output: Output, pipeline: Pipeline, fresh: Freshness | None
    ) -> None:
        content_type = pipeline.formats.content_type(output)
        opened, request.trace.outcome = await pipeline.output(image, output, self.clients.charge(request.address))
        is_public = pipeline.settings.policy(image.namespace).is_public(output)
        if request.trace.outcome == HIT and _may_keep(request, image, output, pipeline, fresh):
            file = str(pipeline.store.path(image, output))
            self.hits.keep(pipeline, request.path, file, request.trace, output, is_public=is_public, fresh=fresh)
        self._send(request, opened, content_type, *caching_of(output), is_public=is_public, fresh=fresh)

    async def _send_auto(
        self, request: ImagedRequest, image: ImageId, output: Output, pipeline: Pipeline, fresh: Freshness | None
    ) -> None:
        charge = self.clients.charge(request.address)
        answer = await auto_output(pipeline, image, output, accept_of(request), charge)
        made, trace = answer.output, request.trace
        trace.outcome, trace.extension = answer.outcome, made.extension
        is_public = pipeline.settings.policy(image.namespace).is_public(output)
        if answer.is_final and answer.outcome == HIT and _may_keep(request, image, output, pipeline, fresh):
            file = str(pipeline.store.path(image, made))
            self.hits.keep_auto(pipeline, request.path, file, trace, answer, is_public=is_public, fresh=fresh)
        content_type, how = pipeline.formats.content_type(made), caching_of(made, auto=True)
        self._send(request, answer.file, content_type, *how, is_public=is_public, fresh=fresh)

    async def _send_original(
        self, request: ImagedRequest, image: ImageId, pipeline: Pipeline, fresh: Freshness | None
    ) -> None:
        info = await pipeline.originals.info(image)
        opened = pipeline.store.open(image, ORIGINAL)
        if opened is None:
            raise NotFoundError(f"the original of {image} is gone: post it again")
        is_public = pipeline.settings.policy(image.namespace).is_public(ORIGINAL)
        self._send(request, opened, info.content_type, "", LASTING, is_public=is_public, fresh=fresh)

    def _send(
        self,
        request: ImagedRequest,
        opened: OpenFile | FileBody,
        content_type: str,
        tag: str,
        caching: bytes,
        *,
        is_public: bool,
        fresh: Freshness | None,
    ) -> None:
        """Answer with a file. No cache keeps it longer than a path of an origin is fresh, or a signed URL is valid."""
        if fresh is not None:
            opened, (tag, caching) = fresh.dated(opened), fresh.limit(tag, caching, request.began_s)
        if not is_public:
            caching = self.reads.caching(caching, guard_parameters(request.uri))
        send_file(request, opened, content_type, tag, caching)

    def _count_request(self, request: ImagedRequest, pipeline: Pipeline) -> None:
        if request.path == _HEALTH:
            return
        try:
            self.clients.check_request(request.address)
        except TooManyRequestsError:
            with suppress(ImagedError):  # an unknown path leaves the trace as it is
                describe_request(request.trace, read_path(request), pipeline.formats)
            raise

    def _admit_post(self, request: ImagedRequest, namespace: str, pipeline: Pipeline) -> None:
        """Count a post, or raise the ImagedError that its head causes."""
        self._check_room(pipeline)
        _wanted(request, namespace, POST_PARAMETERS, pipeline)
        if asked_outputs(read_parameters(request, POST_PARAMETERS)):
            self.clients.charge(request.address)(0)
        self.clients.check_post(request.address)

    def _check_room(self, pipeline: Pipeline) -> None:
        if self.posting.current >= MAXIMUM_POSTS:
            raise BusyError(f"{MAXIMUM_POSTS} pictures are coming in already: try again later")
        pipeline.engine.headers.check_room()


def _asked(pipeline: Pipeline, namespace: str, name: str) -> ImageFile:
    """Return the file that a client asks for, a preset in its current version. Raises NotFoundError."""
    file = parse_file(name)
    return pipeline.settings.policy(namespace).current(file) if isinstance(file, Output) else file


def _may_keep(
    request: ImagedRequest, image: ImageId, output: Output, pipeline: Pipeline, fresh: Freshness | None
) -> bool:
    """Return whether the path of a request is the one that imaged writes for an output, of all its spellings.

    Those of an origin have no spelling of ours.
    """
    if fresh is not None:
        return request.path.startswith(b"/")
    return request.path == f"/{pipeline.store.key(image, output.public)}".encode()


def _wanted(request: ImagedRequest, namespace: str, known: Sequence[str], pipeline: Pipeline) -> list[Output]:
    """Return the outputs that a POST names and those of its namespace. Raises for an unknown parameter."""
    names = asked_outputs(read_parameters(request, known))
    return pipeline.outputs(namespace, map(pipeline.formats.parse, names))


async def _post(request: ImagedRequest, namespace: str, pipeline: Pipeline, charge: Charge) -> None:
    outputs = _wanted(request, namespace, POST_PARAMETERS, pipeline)
    image, info = await ingest(request, namespace, pipeline.ingest)
    request.trace.cache_tag = image.cache_tag
    outputs = pipeline.auto.expand(image, info, outputs)
    of_all = pipeline.auto.expand(image, info, pipeline.outputs(namespace, ()))
    await pipeline.enqueue_renders(image, outputs, client_key(request.address), charge, uncharged=of_all)
    send_json(request, await _describe(pipeline, image, info, outputs))


async def _process(request: ImagedRequest, image: ImageId, pipeline: Pipeline, charge: Charge) -> None:
    outputs = _wanted(request, image.namespace, PROCESS_PARAMETERS, pipeline)
    info, results = await pipeline.process(image, outputs, charge)
    rows = []
    for output, error in results.items():
        row = _row(pipeline, image, output, "failed" if error else "ready")
        rows.append(row | {"error": public_text(error), "status": error.status} if error else row)
    send_json(request, pipeline.store.describe(info) | {"outputs": rows})


async def _send_srcset(
    request: ImagedRequest, image: ImageId, pipeline: Pipeline, url: Callable[[Output], str]
) -> None:
    policy = pipeline.settings.policy(image.namespace)
    written = [extension for extension in policy.extensions if pipeline.formats.writes_extension(extension)]
    wanted = read_srcset(read_parameters(request, (*SRCSET_PARAMETERS, "s", "e")), written)
    info = await pipeline.originals.described(image)
    attributes = describe_img(wanted, info, policy, url)
    if wanted.form == "json":
        send_json(request, attributes)
    else:
        send_page(request, format_img(attributes).encode(), _IMG_POLICY, _IMG_CACHING)


async def _describe(
    pipeline: Pipeline, image: ImageId, info: ImageInfo, outputs: Sequence[Output] = ()
) -> dict[str, object]:
    states = await pipeline.states(image, outputs)
    rows = [_row(pipeline, image, output, state) for output, state in states.items()]
    return pipeline.store.describe(info) | {"outputs": rows}


def _row(pipeline: Pipeline, image: ImageId, output: Output, state: str) -> dict[str, object]:
    return {"name": str(output.public), "url": f"/{pipeline.store.key(image, output.public)}", "state": state}
