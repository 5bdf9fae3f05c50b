"""Answers requests on the public port: posts of originals, outputs, originals and their records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from twisted.web.http import Request

from imaged.core.access_request import Action
from imaged.core.activity import Activity
from imaged.core.clients import Charge, client_key
from imaged.core.errors import BusyError, ImagedError, NotFoundError, TooManyRequestsError
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.pipeline.pipeline import Pipeline
from imaged.web.answers import send_json, send_nothing
from imaged.web.clients import Clients
from imaged.web.deletes import answer_delete
from imaged.web.descriptions import describe_image, describe_output
from imaged.web.errors import public_text
from imaged.web.file_answers import FileAnswers
from imaged.web.guards import Guard, read_access_request
from imaged.web.parameters import read_parameters
from imaged.web.paths import (
    ErasePath,
    FilePath,
    ForgetPath,
    HealthPath,
    ImagePath,
    NamespacePath,
    OriginPath,
    ProcessPath,
    PublicPath,
    SrcsetPath,
    check_method,
    describe_request,
    read_path,
)
from imaged.web.posts import PROCESS_PARAMETERS, asked_outputs, ingest, read_post
from imaged.web.read_guard import check_orders
from imaged.web.requests import ImagedRequest
from imaged.web.writes import token_of

_HEALTH = b"/status_check"
_NO_FILE = "the path ends with the hash: add an output, such as w500.jpg, or original or info.json"

MAXIMUM_POSTS = 1000
"""How many posts may run at once, including posts that wait for the same source."""


@dataclass(frozen=True)
class PublicSite:
    """Answers requests with the current generation, which each request leases until its answer begins.

    `current` returns the pipeline of this generation, for an answer that does not wait. `send_health` answers
    `/status_check`. Every other request first calls `check_running` with its start time, which may raise BusyError.
    `preflight` returns the headers of the answer to a preflight, or None for any other request. Each of the `guards` is
    asked about each request, once, before its body is read, unless `files` answers it with a hit.
    `clients` counts what each client asks for, before the guards.
    """

    current: Callable[[], Pipeline]
    lease: Callable[[], AbstractContextManager[Pipeline]]
    posting: Activity[str]
    send_health: Callable[[Request], None]
    check_running: Callable[[float], None]
    files: FileAnswers
    clients: Clients
    preflight: Callable[[Request], Mapping[str, str] | None] = lambda _request: None
    guards: Sequence[Guard] = ()

    def answer_at_once(self, request: ImagedRequest) -> bool:
        """Answer with a stored output that the current generation has sent before, and return True.

        Return False for any other request, which `handle` answers. Raises ImagedError as `handle` does.
        """
        pipeline = self.current()
        if pipeline.settings.limits.requests_per_s and not request.has_body:
            self._count_request(request, pipeline)
        hit = self.files.find_hit(request, pipeline)
        if hit is None:
            return False
        self.check_running(request.began_s)
        return self.files.send_hit(request, hit, pipeline)

    def examine(self, request: ImagedRequest, has_body: bool) -> None:  # noqa: FBT001  # the signature of a site
        """Raise, before the body is read, any ImagedError that the head of the request causes."""
        if has_body:
            if (pipeline := self.current()).settings.limits.requests_per_s:
                self._count_request(request, pipeline)
            path = read_path(request)
            check_method(request, path)
            if not isinstance(path, HealthPath):
                self.check_running(request.began_s)
            with self.lease() as pipeline:
                self._check_guards(request, path, pipeline)
                match path:
                    case NamespacePath(namespace):
                        self._admit_post(request, namespace, pipeline)
                    case ProcessPath(image):
                        _wanted(request, read_parameters(request, PROCESS_PARAMETERS), image.namespace, pipeline)

    async def handle(self, request: ImagedRequest) -> None:
        """Answer one request, or raise the ImagedError to answer with."""
        if (permitted := self.preflight(request)) is not None:
            send_nothing(request, permitted)
            return
        with self.lease() as pipeline:
            path = read_path(request)
            describe_request(request.trace, path, pipeline.formats)
            check_method(request, path)
            if not isinstance(path, HealthPath):
                self.check_running(request.began_s)
            if not request.has_body:  # else `examine` has checked it
                self._check_guards(request, path, pipeline)
            await self._answer(request, path, pipeline)

    def _check_guards(self, request: ImagedRequest, path: PublicPath, pipeline: Pipeline) -> None:
        wanted = read_access_request(request, path, request.address, is_proxied=request.is_proxied)
        if wanted is not None:
            for guard in self.guards:
                guard(wanted, pipeline.settings)
            if wanted.action is not Action.READ and (token := token_of(wanted, pipeline.settings.access)):
                request.trace.token = token.name

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
                await self.files.send_srcset(request, image, pipeline)
            case ErasePath() | ForgetPath():
                await answer_delete(request, path, pipeline)
            case ImagePath(image):
                pipeline.store.tombstones.check(image)
                raise NotFoundError(_NO_FILE)
            case FilePath(image, name):
                await self.files.send(request, image, name, pipeline)
            case OriginPath():
                await self.files.send_from_origin(request, path, pipeline)

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
        self._check_room(pipeline, namespace)
        _wanted(request, parameters := read_post(request), namespace, pipeline)
        if asked_outputs(parameters):
            self.clients.charge(request.address).outputs(0)
        self.clients.check_post(request.address)

    def _check_room(self, pipeline: Pipeline, namespace: str) -> None:
        pipeline.check_store(namespace)
        if self.posting.current >= MAXIMUM_POSTS:
            raise BusyError(f"{MAXIMUM_POSTS} pictures are coming in already: try again later")
        pipeline.engine.headers.check_room()


def _wanted(request: ImagedRequest, parameters: Mapping[str, str], namespace: str, pipeline: Pipeline) -> list[Output]:
    """Return the outputs that the parameters of a POST name and those of its namespace."""
    named = [pipeline.formats.parse(name) for name in asked_outputs(parameters)]
    if not _has_token(request):
        check_orders(named, pipeline.settings.policy(namespace))
    return pipeline.outputs(namespace, named)


def _has_token(request: ImagedRequest) -> bool:
    """Return whether a token let a request pass: its client may order any output, and gets signed URLs."""
    return request.trace.token is not None


async def _post(request: ImagedRequest, namespace: str, pipeline: Pipeline, charge: Charge) -> None:
    outputs = _wanted(request, read_post(request), namespace, pipeline)
    image, info = await ingest(request, namespace, pipeline.ingest)
    request.trace.cache_tag = image.cache_tag
    outputs = pipeline.auto.expand(image, info, outputs)
    of_all = pipeline.auto.expand(image, info, pipeline.outputs(namespace, ()))
    await pipeline.enqueue_renders(image, outputs, client_key(request.address), charge, uncharged=of_all)
    send_json(request, await describe_image(pipeline, image, info, outputs, sign=_has_token(request)))


async def _process(request: ImagedRequest, image: ImageId, pipeline: Pipeline, charge: Charge) -> None:
    outputs = _wanted(request, read_parameters(request, PROCESS_PARAMETERS), image.namespace, pipeline)
    info, results = await pipeline.process(image, outputs, charge)
    rows = []
    for output, error in results.items():
        row = describe_output(pipeline, image, output, "failed" if error else "ready", sign=_has_token(request))
        rows.append(row | {"error": public_text(error), "status": error.status} if error else row)
    send_json(request, pipeline.store.describe(info) | {"outputs": rows})
