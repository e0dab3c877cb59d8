# SPDX-License-Identifier: Apache-2.0
"""A strict HTTP/1.1 server: one thread a connection, keep-alive, optional TLS.

It exists because the tests must see requests as they came (header order, repeated headers, the
exact body) and must be able to end a connection at any point of an exchange. It binds to
127.0.0.1, answers every malformed request with 400 and a reason, and supports neither chunked
bodies nor pipelining of more than one unanswered request.
"""
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from email.utils import formatdate

HEAD_BYTES_MAX = 64 * 1024
BODY_BYTES_MAX = 32 * 1024 * 1024

REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
           413: "Request Entity Too Large", 500: "Internal Server Error",
           502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


class Malformed(Exception):
    """The peer broke HTTP; the text says how."""


class Cut(Exception):
    """The peer went away inside a request, as a killed process does."""


@dataclass
class Request:
    method: str
    target: str
    headers: dict  # lower-case name -> value; a repeated header is Malformed
    body: bytearray
    connection: int  # number of the connection, from 0


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: list = field(default_factory=list)
    close: bool = False
    missing: int = 0  # bytes that Content-Length promises and that never come
    byte_seconds: float = 0  # between two bytes of the body


@dataclass
class Drop:
    """Instead of a reply: the connection ends, with a reset or an orderly close."""
    reset: bool = False


class Connection:
    def __init__(self, sock, number):
        self.sock = sock
        self.number = number
        self.idle = True  # between two requests
        self._rest = b""

    def read_request(self):
        """The next request, or None when the peer closed between two requests."""
        head = self._read_head()
        if head is None:
            return None
        self.idle = False
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or words[2] != "HTTP/1.1":
            raise Malformed(f"request line {lines[0]!r}")
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise Malformed(f"header line {line!r}")
            if name.lower() in headers:
                raise Malformed(f"header {name} twice")
            headers[name.lower()] = value.strip(" \t")
        if "host" not in headers:
            raise Malformed("no Host header")
        if "transfer-encoding" in headers:
            raise Malformed("Transfer-Encoding is not supported")
        return Request(words[0], words[1], headers, self._read_body(headers, words[0]), self.number)

    def _read_head(self):
        data = bytearray(self._rest)
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) > HEAD_BYTES_MAX:
                raise Malformed("head too large")
            more = self.sock.recv(65536)
            if not more:
                if data:
                    raise Cut
                return None
            data += more
        self._rest = bytes(data[end + 4:])
        return bytes(data[:end])

    def _read_body(self, headers, method):
        if "content-length" not in headers:
            if method == "GET":
                return bytearray()
            raise Malformed("no Content-Length")
        length = headers["content-length"]
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            raise Malformed(f"Content-Length {length!r}")
        length = int(length)
        body = bytearray(length)
        have = min(length, len(self._rest))
        body[:have] = self._rest[:have]
        self._rest = self._rest[have:]
        view = memoryview(body)
        while have < length:
            count = self.sock.recv_into(view[have:])
            if count == 0:
                raise Cut
            have += count
        return body

    def send(self, reply, date):
        head = [f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}",
                f"Date: {date}", f"Content-Length: {len(reply.body) + reply.missing}"]
        head += [f"{name}: {value}" for name, value in reply.headers]
        if reply.close:
            head.append("Connection: close")
        head = "\r\n".join(head).encode("latin-1") + b"\r\n\r\n"
        if not reply.byte_seconds:
            self.sock.sendall(head + reply.body)
            return
        self.sock.sendall(head)
        pause = threading.Event()
        for at in range(len(reply.body)):
            self.sock.sendall(reply.body[at:at + 1])
            pause.wait(reply.byte_seconds)

    def drop(self, reset=False):
        with contextlib.suppress(OSError):
            if reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def _backlog(port):
    """Connections to a listening port that nobody has accepted yet (proc(5), /proc/net/tcp)."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        for row in table.read().splitlines()[1:]:
            fields = row.split()
            if fields[3] == "0A" and fields[1].endswith(f":{port:04X}"):
                return int(fields[4].split(":")[1], 16)
    return 0


class HttpServer:
    """Calls handler(Request) -> Reply | Drop on the connection's own thread.

    `answered(request, ok)` is called after a reply was handed to the kernel (ok) or could not be,
    `malformed(text)` for requests that are not HTTP. `now()` gives the Date header.
    """

    def __init__(self, handler, *, port=0, tls=None, now=None, answered=None, malformed=None):
        self._handler = handler
        self._tls = tls
        self._now = now
        self._answered = answered or (lambda request, ok: None)
        self._malformed = malformed or (lambda text: None)
        self._lock = threading.Lock()
        self._connections = {}
        self._count = 0
        self._stopping = False
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._stopping:
                    sock.close()
                    return
                connection = Connection(sock, self._count)
                self._connections[connection.number] = connection
                self._count += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                connection.sock = self._tls.wrap_socket(connection.sock, server_side=True)
            while self._exchange(connection):
                pass
        except (OSError, Cut):
            pass
        finally:
            with self._lock:
                self._connections.pop(connection.number, None)
            connection.drop()

    def _exchange(self, connection):
        """One request and its reply; False when the connection is to end."""
        try:
            request = connection.read_request()
        except Malformed as error:
            self._malformed(str(error))
            connection.send(Reply(400, str(error).encode(), close=True), self._date())
            return False
        if request is None:
            return False
        reply = self._handler(request)
        if isinstance(reply, Drop):
            self._answered(request, False)
            connection.drop(reply.reset)
            return False
        try:
            connection.send(reply, self._date())
        except OSError:
            self._answered(request, False)
            return False
        self._answered(request, True)
        connection.idle = True
        return not reply.close and not reply.missing

    def _date(self):
        return formatdate(self._now() if self._now else None, usegmt=True)

    @property
    def connections_accepted(self):
        with self._lock:
            return self._count

    @property
    def connections_open(self):
        """Those that wait to be accepted too: a client may have sent its request, and gone."""
        waiting = _backlog(self.port)
        with self._lock:
            return waiting + len(self._connections)

    def close_idle(self):
        """Closes the connections that wait for a request, as a server does after its idle time."""
        with self._lock:
            idle = [one for one in self._connections.values() if one.idle]
        for connection in idle:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        return len(idle)

    def stop(self):
        with self._lock:
            self._stopping = True
            connections = list(self._connections.values())
        # shutdown wakes the thread in accept(); close alone does not.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
