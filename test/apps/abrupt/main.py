"""A server that keeps connections alive and ends in the moment of SIGTERM, whatever it is doing."""

import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.headers.get("Upgrade") == "echo":
            return self.echo()
        parts = urlsplit(self.path)
        if parts.path == "/slow":
            time.sleep(float(parse_qs(parts.query)["seconds"][0]))
        status = int(os.environ.get("HEALTH", "200")) if parts.path == "/health" else 200
        self.answer(status, os.environ.get("GREETING", "hello"))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.answer(200, f"{len(body)}")

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def echo(self):
        self.send_response(101)
        self.send_header("Connection", "upgrade")
        self.send_header("Upgrade", "echo")
        self.end_headers()
        self.close_connection = True
        while line := self.rfile.readline():
            self.wfile.write(line)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


Server(("", int(os.environ["PORT"])), Handler).serve_forever()
