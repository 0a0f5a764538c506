"""A download site on 127.0.0.1 that counts what is asked of it, and misbehaves when told to."""

from __future__ import annotations

import ssl
import threading
from collections import Counter
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Served(NamedTuple):
    """A file: its content, its time since the epoch, how much is sent, whether that is told.

    `stalls` says that nothing comes behind that, and yet it does not end; `leads_to` is another
    address, to which all are sent on.
    """

    data: bytes
    modified: float
    sent: int
    length: bool
    stalls: bool
    leads_to: str


class Mirror:
    """The server: `add` gives it files, `downloads` counts the bodies it sent of each.

    `asked` counts all requests.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.files: dict[str, Served] = {}
        self.downloads: Counter[str] = Counter()
        self.asked = 0
        self.closed = threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def answer(self, body: bool) -> None:
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
                if served.leads_to:
                    self.send_response(302)
                    self.send_header("Location", served.leads_to)
                    self.end_headers()
                    return
                self.send_response(200)
                if self.path.endswith("/"):
                    self.send_header("Content-Type", "text/html")
                if served.length:
                    self.send_header("Content-Length", str(len(served.data)))
                self.send_header("Last-Modified", formatdate(served.modified, usegmt=True))
                self.end_headers()
                if body:
                    mirror.downloads[self.path] += 1
                    self.wfile.write(served.data[: served.sent])
                    if served.stalls:
                        mirror.closed.wait()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}"
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)

    def add(
        self,
        path: str,
        data: bytes,
        modified: float = 1_700_000_000,
        sent: int | None = None,
        length: bool = True,
        stalls: bool = False,
        leads_to: str = "",
    ) -> str:
        """Serve `data` at `path`, cut off after `sent` bytes if given; return the URL."""
        sent = len(data) if sent is None else sent
        self.files[path] = Served(data, modified, sent, length, stalls, leads_to)
        return self.address + path

    def __enter__(self) -> Mirror:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()
        self.server.shutdown()
        self.server.server_close()
