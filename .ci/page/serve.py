"""A node's HTTP port as the page sees it: the page, logs.json, and logs whose entries need an auditor's token."""

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from fixture import PAGE

CSP = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; "
       "form-action 'none'; frame-ancestors 'none'")
TOKEN = "header.claims.signature"


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, node, *rest):
        self.node = node
        super().__init__(*rest, directory=str(node.folder))

    def translate_path(self, path):
        path = path.split("?")[0]
        if path == "/":
            return str(PAGE / "index.html")
        if path.startswith("/page/"):
            return str(PAGE / path.removeprefix("/page/"))
        # A connection outlives a change of folder.
        self.directory = str(self.node.folder)
        return super().translate_path(path)

    def do_GET(self):
        self.node.seen.append((self.path, self.headers.get("Authorization")))
        if "/tile/entries/" in self.path and self.node.asks_token and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Bearer")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first = self.node.first.pop(self.path, None)
        if first is not None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(first)))
            self.end_headers()
            self.wfile.write(first)
            return
        super().do_GET()

    def end_headers(self):
        self.send_header("Content-Security-Policy", CSP)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_):
        pass


class Node:
    """Serves a folder on a port of its own; the folder can be changed under it, as a node's log changes."""

    def __init__(self, folder=None):
        self.folder, self.seen, self.first, self.asks_token = Path(folder or "."), [], {}, True
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


if __name__ == "__main__":
    import sys

    node = Node(sys.argv[1])
    print(json.dumps({"url": node.url, "token": TOKEN}), flush=True)
    threading.Event().wait()
