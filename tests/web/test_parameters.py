"""Unknown query parameters of a POST are refused; those of a GET are ignored."""

from __future__ import annotations

from service_case import HOME, PICTURE, ServiceTestCase

UNKNOWN = {
    "output=x30.jpg": "unknown parameter 'output': did you mean \"outputs\"?",
    "Outputs=x30.jpg": "unknown parameter 'Outputs': did you mean \"outputs\"?",
    "outptus=x30.jpg": "unknown parameter 'outptus': did you mean \"outputs\"?",
    "url=http://a/b": "unknown parameter 'url': did you mean \"source\"?",
    "src=http://a/b": "unknown parameter 'src': did you mean \"source\"?",
    "sourse=http://a/b": "unknown parameter 'sourse': did you mean \"source\"?",
    "dpr=2": "unknown parameter 'dpr': this path takes source and outputs",
    "x30.jpg": "unknown parameter: this path takes source and outputs",
    "%00=1": "unknown parameter: this path takes source and outputs",
    f"{'a' * 50}=1": "unknown parameter: this path takes source and outputs",
    "source=http://a/b?c=d&Expires=1": "unknown parameter: this path takes source and outputs; if it is a part of the "
    "source, percent-encode the source",
    "outputs=x30.jpg&outputs=x40.jpg": "more than one outputs: put commas between its values",
    "source=http://a/b&source=http://a/c": "more than one source: give one",
    "outputs=%FF": "the parameters are not UTF-8 text: percent-encode them as UTF-8",
}


class TestPosts(ServiceTestCase):
    """Parameters of a POST."""

    async def test_unknown_parameters_are_refused(self) -> None:
        """The answer suggests the parameter, comes before the body, and nothing is kept."""
        await self.serve()
        for query, message in UNKNOWN.items():
            answer = await self.post(f"/p?{query}")
            assert (answer.status, answer.error) == (400, message), query
            answer = await self.ask("POST", f"/p?{query}")
            assert (answer.status, answer.error) == (400, message), query
        assert not any(path.name == "original" for path in self.folder.rglob("*"))

    async def test_process_takes_outputs_alone(self) -> None:
        """It renders the missing outputs."""
        await self.serve()
        await self.post()
        answer = await self.ask("POST", f"{HOME}/process?source=http://a/b")
        assert (answer.status, answer.error) == (400, "unknown parameter 'source': this path takes outputs")
        assert (await self.ask("POST", f"{HOME}/process?outputs=x30.jpg")).status == 200

    async def test_empty_and_encoded_parameters_are_allowed(self) -> None:
        """Percent-encoding, empty values and empty separators are allowed."""
        await self.serve()
        for query in (
            "",
            "&",
            "outputs=",
            "outputs=,",
            "outputs=x30.jpg,,x30.jpg",
            "%6Futputs=x30%2Ejpg",
            "outputs=x30.jpg&",
        ):
            assert (await self.post(f"/p?{query}")).status == 200, query

    async def test_files_ignore_foreign_parameters(self) -> None:
        """Versions, campaigns and foreign parameters do not change the picture."""
        await self.serve()
        await self.post()
        for query in ("v=1", "utm_source=a&utm_source=b", "w=100", "%FF", "outputs=1", "?"):
            assert (await self.get(f"{HOME}/original?{query}")).body == PICTURE, query
        assert (await self.get("/status_check?x=1")).status == 200


class TestEarly(ServiceTestCase):
    """Refusals before the body."""

    settings = "images: {maximum_width: 100}"

    async def test_a_useless_body_is_refused(self) -> None:
        """The refusal comes before the body, also with Expect (RFC 9110, 10.1.1)."""
        await self.serve()
        for method, target, status in (
            ("POST", "/p?output=x30.jpg", 400),
            ("POST", "/p?outputs=x300.jpg", 406),
            ("POST", "/p?outputs=x0.jpg", 404),
            ("POST", "/P", 404),
            ("PUT", "/p", 405),
            ("POST", f"{HOME}/x30.jpg", 405),
        ):
            for more in ({}, {"Expect": "100-continue"}):
                answer = await self.ask(method, target, b"", Content_Length="100000", **more)
                assert (answer.status, answer.headers["connection"]) == (status, "close"), target

    async def test_thousands_of_parameters_are_not_decoded(self) -> None:
        """Their decoding would take time on the reactor thread."""
        await self.serve()
        for query in ("&".join(["%FF"] * 3000), "&" * 10_000):
            assert "too many parameters" in (await self.post(f"/p?{query}", b"")).error
