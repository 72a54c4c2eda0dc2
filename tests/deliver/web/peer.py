"""A DICOMweb service that answers as a test has written down, and keeps what it was asked."""

import email.parser
import email.policy
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dcis_node.deliver.web.address import WebAddress


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def parts(self) -> list[bytes]:
        """Give the parts of the body, read by Python's own parser of messages."""
        return parts_of(self.headers["Content-Type"], self.body)


def parts_of(content_type: str, body: bytes) -> list[bytes]:
    """Take a multipart body apart: an implementation that is not ours."""
    whole = b"Content-Type: " + content_type.encode() + b"\r\nMIME-Version: 1.0\r\n\r\n" + body
    message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(whole)
    assert message.get_content_type() == "multipart/related"
    assert not message.defects
    parts = message.get_payload()
    assert all(part.get_content_type() == "application/dicom" for part in parts)
    return [part.get_payload(decode=True) for part in parts]


def sop_item(uid, *, reason=None, tag="00081197"):
    item = {"00081155": {"vr": "UI", "Value": [uid]}}
    return item if reason is None else item | {tag: {"vr": "US", "Value": [reason]}}


def module(*, stored=(), failed=(), warned=()):
    """A Store Instances Response Module as JSON; `failed` and `warned` are pairs of UID and reason."""
    referenced = [sop_item(uid) for uid in stored]
    referenced += [sop_item(uid, reason=reason, tag="00081196") for uid, reason in warned]
    answer = {}
    if referenced:
        answer["00081199"] = {"vr": "SQ", "Value": referenced}
    if failed:
        answer["00081198"] = {"vr": "SQ", "Value": [sop_item(uid, reason=reason) for uid, reason in failed]}
    return json.dumps(answer).encode()


@dataclass(frozen=True)
class Reply:
    """An answer; with `act` whatever a handler can do in place of it."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    act: Callable[[BaseHTTPRequestHandler], None] | None = None


def uids_in(asked: Asked) -> list[str]:
    """Give the SOP Instance UIDs of the file meta information of what was posted."""
    found = []
    for part in asked.parts():
        start = part.index(b"\x02\x00\x03\x00UI") + 6
        length = int.from_bytes(part[start : start + 2], "little")
        found.append(part[start + 2 : start + 2 + length].decode().rstrip("\0"))
    return found


def store_all(asked: Asked) -> Reply:
    """Take everything, and list nothing."""
    if asked.method == "GET":
        return Reply(200, b"[]")
    return Reply(200, module(stored=uids_in(asked)))


def web_at(port, **options) -> WebAddress:
    """Give the address of a service on a loopback port."""
    return WebAddress(f"http://127.0.0.1:{port}/dicom-web", **{"timeout_seconds": 10.0, **options})


class WebPeer:
    """Runs on loopback; `answer` makes the reply to each request."""

    def __init__(self, answer: Callable[[Asked], Reply] = store_all, *, certificate=None, client_ca=None) -> None:
        peer = self
        self.asked: list[Asked] = []
        self.answer = answer
        self.connections = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def setup(self) -> None:
                peer.connections += 1
                super().setup()

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = Asked(self.command, self.path, dict(self.headers), body)
                peer.asked.append(asked)
                reply = peer.answer(asked)
                if reply.act is not None:
                    self.close_connection = True
                    reply.act(self)
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = _serve  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # a client that hangs up, or a handshake that fails, is what some tests are about

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.certificate, certificate.key)
            if client_ca is not None:
                context.load_verify_locations(client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
            # The handshake is made by the thread of the connection.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self.scheme = "https"

    def __enter__(self) -> "WebPeer":
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def address(self, **options) -> WebAddress:
        """Where it is."""
        url = f"{self.scheme}://127.0.0.1:{self.port}/dicom-web"
        return WebAddress(url, **{"timeout_seconds": 10.0, **options})

    def posts(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]


def cut(handler):
    """End the connection without an answer."""
    handler.connection.shutdown(socket.SHUT_RDWR)


def reset(handler):
    """End the connection as a process that died does."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
