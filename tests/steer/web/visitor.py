"""Somebody who opened a page by its link, without a browser."""

from __future__ import annotations

import http.cookiejar
import urllib.request


class Visitor:
    """Has the cookie of a served page; ``here`` is where the page is, without the token."""

    def __init__(self, served):
        self.here, _, self.token = served.url.partition("?token=")
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
        self._opener.open(served.url, timeout=20).close()

    def open(self, path="", data=None, headers=None):
        """The answer, open. Raises HTTPError."""
        return self._opener.open(urllib.request.Request(self.here + path, data, headers or {}), timeout=20)

    def get(self, path="", data=None, headers=None):
        """What is answered, as bytes. Raises HTTPError."""
        with self.open(path, data, headers) as answer:
            return answer.read()
