"""Answers to DELETE: a picture is erased, or its outputs are forgotten."""

from __future__ import annotations

from imaged.pipeline.pipeline import Pipeline
from imaged.web.answers import send_json, send_nothing
from imaged.web.paths import ErasePath, ForgetPath
from imaged.web.requests import ImagedRequest


async def answer_delete(request: ImagedRequest, path: ErasePath | ForgetPath, pipeline: Pipeline) -> None:
    """Answer 204 when the files are gone everywhere, 202 when the erasure of remote ones is queued."""
    if isinstance(path, ForgetPath):
        await pipeline.eraser.forget(path.image)
        send_nothing(request, {})
    elif await pipeline.eraser.erase(path.image, request.trace.token or ""):
        send_nothing(request, {})
    else:
        request.setResponseCode(202)
        send_json(request, {"state": "pending"})
