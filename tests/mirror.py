"""A download site on 127.0.0.1 that counts requests, and misbehaves on demand."""

from __future__ import annotations

import ssl
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

PYTHON = "/pub/cosmos/bin/python"


class Served(NamedTuple):
    """A file: its content, its time in seconds since 1970, and how much of it is sent.

    `length` sends its length too. A server misbehaves by `status`, `headers`, and `then`: after the
    content it goes on without end (`endless`), at a byte every half second (`slow`), or keeps the
    connection open (`stalled`).
    """

    data: bytes
    modified: float
    sent: int
    length: bool
    status: int = 200
    headers: Mapping[str, str] = {}
    then: str = ""


class Mirror:
    """The server: `add` gives it files, and `downloads` counts how often it sent each.

    `asked` counts all requests; `stalled` is set while an answer stalls.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.files: dict[str, Served] = {}
        self.downloads: Counter[str] = Counter()
        self.asked = 0
        self.stalled, self.ended = threading.Event(), threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked += 1
                served = mirror.files.get(self.path)
                if served is None:
                    self.send_error(404)
                    return
                since = self.headers.get("If-Modified-Since")
                if since and parsedate_to_datetime(since).timestamp() >= int(served.modified):
                    self.send_response(304)
                    self.end_headers()
                    return
                self.send_response(served.status)
                if self.path.endswith("/"):
                    self.send_header("Content-Type", "text/html")
                for name, value in served.headers.items():
                    self.send_header(name, value)
                if served.length and "Content-Length" not in served.headers:
                    self.send_header("Content-Length", str(len(served.data)))
                self.send_header("Last-Modified", formatdate(served.modified, usegmt=True))
                self.end_headers()
                if self.command == "GET":
                    mirror.downloads[self.path] += 1
                    self.wfile.write(served.data[: served.sent])
                    self.go_on(served.then)

            do_HEAD = do_GET  # noqa: N815 - so the server calls it

            def go_on(self, then: str) -> None:
                with suppress(OSError):
                    while then == "endless" and not mirror.ended.is_set():
                        self.wfile.write(bytes(2**16))
                    while then == "slow" and not mirror.ended.wait(0.5):
                        self.wfile.write(b"\0")
                if then == "stalled":
                    self.wfile.flush()
                    mirror.stalled.set()
                    mirror.ended.wait()
                    mirror.stalled.clear()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}"
        self.python = self.address + PYTHON
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)

    def add(self, path: str, data: bytes, modified: float = 1_700_000_000, **options: Any) -> str:
        """Serve `data` at `path`; `options` are values of `Served`; return the URL."""
        self.files[path] = Served(data, modified, **{"sent": len(data), "length": True, **options})
        return self.address + path

    def lead(self, path: str, to: str) -> str:
        """Redirect `path` to another address; return the URL."""
        return self.add(path, b"", status=302, headers={"Location": to})

    def spoil(self, path: str, **options: Any) -> None:
        """Change how `path` is served: `options` are values of `Served`."""
        given = self.files[path]._replace(**options)
        self.files[path] = given if "sent" in options else given._replace(sent=len(given.data))

    def __enter__(self) -> Mirror:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()
