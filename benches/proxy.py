"""A proxy on loopback that counts calls, can delay them, and tells how many had to wait for each other.

What `after` is set to is told the name of each call that AWS has carried out, before the reply goes back.
"""

import http.client
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    # The default backlog of 5 would hold back a client that opens many connections at once.
    request_queue_size = 256

    def handle_error(self, request, client_address):
        """A client that was killed closes its connections in the middle of anything."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Proxy:
    """Forwards every request to `port`, after `delay` seconds."""

    def __init__(self, port, delay=0.0):
        self.calls = []
        self.after = None
        self.lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                try:
                    self.exchange()
                except ConnectionError:
                    self.close_connection = True

            def exchange(self):
                start = time.monotonic()
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else None
                time.sleep(delay)
                upstream = http.client.HTTPConnection("127.0.0.1", port)
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                content = answer.read()
                proxy.record(self.name(body), start)
                after = proxy.after
                if after and answer.status < 300:
                    after(self.name(body))
                self.send_response(answer.status)
                for key, value in answer.getheaders():
                    if key.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                        self.send_header(key, value)
                if self.command != "HEAD":
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)
                upstream.close()

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward

            def name(self, body):
                target = self.headers.get("X-Amz-Target")
                if target:
                    return target.rsplit(".", 1)[1]
                if "/operation/" in self.path:
                    return self.path.rsplit("/", 1)[1]
                if body and body.startswith(b"Action="):
                    return body.split(b"&")[0][7:].decode()
                return f"S3 {self.command} {self.path.partition('?')[2].partition('&')[0] or 'object'}"

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"

    def record(self, name, start):
        with self.lock:
            self.calls.append((name, start, time.monotonic()))

    def depth(self):
        """The longest chain of calls of which each began after the one before had ended."""
        chains = []
        for _, start, end in sorted(self.calls, key=lambda call: call[2]):
            longest = max((length for ended, length in chains if ended <= start), default=0)
            chains.append((end, longest + 1))
        return max((length for _, length in chains), default=0)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
