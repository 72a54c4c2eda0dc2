"""A syslog server for tests: TCP or TLS, octet counting (RFC 6587, RFC 5425), obeying or misbehaving."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Serve = Callable[[socket.socket, "SyslogServer"], None]


@dataclass
class SyslogServer:
    """What has come so far."""

    port: int
    messages: list[bytes] = field(default_factory=list)
    connections: int = 0
    ended: int = 0
    came: threading.Event = field(default_factory=threading.Event)


def read_all(connection: socket.socket, server: SyslogServer) -> None:
    """Take messages until the sender ends, as a good server does."""
    stream = connection.makefile("rb")
    with stream:
        while (message := read_message(stream)) is not None:
            server.messages.append(message)
            server.came.set()


def read_message(stream) -> bytes | None:
    """Take one message; None at the end between two of them."""
    digits = b""
    while (byte := stream.read(1)) != b" ":
        if not byte and not digits:
            return None
        if not byte.isdigit():
            raise AssertionError(f"no length before a message: {digits + byte!r}")
        digits += byte
    message = b""
    while len(message) < int(digits) and (piece := stream.read(int(digits) - len(message))):
        message += piece
    if len(message) != int(digits):
        raise AssertionError("a message is shorter than its length")
    return message


def read_one_and_close(connection: socket.socket, server: SyslogServer) -> None:
    """Take one message and close in order, whatever else the sender has to say."""
    with connection.makefile("rb", buffering=0) as stream:
        message = read_message(stream)
        if message is not None:
            server.messages.append(message)


def read_one_and_reset(connection: socket.socket, server: SyslogServer) -> None:
    """Take one message and die."""
    read_one_and_close(connection, server)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def say_nothing(connection: socket.socket, server: SyslogServer) -> None:
    """Read everything, and never end."""
    while connection.recv(65536):
        pass
    with contextlib.suppress(OSError):
        server.came.wait(30)


@contextlib.contextmanager
def syslog_server(
    *, port: int = 0, tls: ssl.SSLContext | None = None, serve: Serve = read_all
) -> Iterator[SyslogServer]:
    """Run a server on loopback until the end of the block."""
    listener = socket.create_server(("127.0.0.1", port))
    server = SyslogServer(listener.getsockname()[1])
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def accept() -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=handle, args=(connection,)))
                threads[-1].start()

    def count_end() -> None:
        server.ended += 1

    def handle(connection: socket.socket) -> None:
        server.connections += 1
        connection.settimeout(20)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(count_end)
            stack.callback(connection.close)
            if tls is not None:
                secured = tls.wrap_socket(connection, server_side=True)
                stack.callback(secured.close)
                serve(secured, server)
                with contextlib.suppress(OSError):
                    secured.unwrap()
            else:
                serve(connection, server)

    listener.settimeout(0.1)
    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield server
    finally:
        stop.set()
        server.came.set()
        accepting.join()
        for thread in threads:
            thread.join()
        listener.close()


def tls_context(certificate, key, *, peer_ca=None) -> ssl.SSLContext:
    """Make the server's side; with `peer_ca` the sender must show a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if peer_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(peer_ca)
    return context
