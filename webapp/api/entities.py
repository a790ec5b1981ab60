"""Answers that stay the same: with an ETag, so that a client that has one is told so instead of sent it again."""

from hashlib import sha256

from starlette.requests import Request
from starlette.responses import Response

CATALOG_CACHE = "public, max-age=3600"
"""The catalog changes with a new version of the program only; an hour bounds how long one is not seen."""
OWN_CACHE = "private, no-cache"
"""Stored calibrations: asked for again each time, sent only where changed."""


class Entity:
    """A body of JSON and its tag."""

    __slots__ = ("cache", "content", "tag")

    def __init__(self, content: bytes, cache: str = CATALOG_CACHE) -> None:
        # Weak, since the same body also goes out compressed.
        self.content, self.cache, self.tag = content, cache, f'W/"{sha256(content).hexdigest()[:32]}"'

    def answer(self, request: Request) -> Response:
        """The body, or 304 where the client's copy is the same."""
        headers = {"etag": self.tag, "cache-control": self.cache}
        if _matches(request.headers.get("if-none-match", ""), self.tag):
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers=headers, media_type="application/json")


def _matches(asked: str, tag: str) -> bool:
    """RFC 9110, 13.1.2: any of a list of tags, compared weakly, or "*"."""
    bare = tag.removeprefix("W/")
    return asked.strip() == "*" or any(item.strip().removeprefix("W/") == bare for item in asked.split(","))
