"""One connection to a DICOMweb service, with a limit on everything: waits, answers, redirects, whom to trust.

requests and urllib3 do the work; this sets what they leave open. A session serves one attempt: secrets and
certificates are read when it is made, so that a renewed file counts from the next attempt on.
"""

import math
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3 import HTTPConnectionPool

from dcis_node import __version__
from dcis_node.bcp195 import ClientTls, client_context
from dcis_node.deliver.web.address import WebAddress
from dcis_node.deliver.web.credentials import read_secret

LONGEST_ANSWER_BYTES = 4 * 1024 * 1024  # the answer about 64 objects has 40 kB
CHUNK_BYTES = 64 * 1024
DEBIAN_STORE = "/etc/ssl/certs/ca-certificates.crt"
WAITS = 2  # of one exchange, beside the transfer: for the connection, for the answer


class AnswerTooLongError(requests.RequestException):
    """The service answers with more than anyone needs."""


class WebSession(requests.Session):
    """A session of requests for one attempt. Use it as a context manager.

    Parameters
    ----------
    web
        Whom to ask, and by which credentials.
    transfer_seconds
        Beside `web.timeout_seconds` for the connection and again for the answer, so long may an exchange take. Then
        its connection is cut: neither a drop now and then nor anything else can hold up the caller.
    total_seconds
        Longest time of all exchanges together, from now on.

    Raises
    ------
    Unusable
        A file of secrets cannot be used; nothing was sent.
    UnusableFileError
        A file of certificates cannot be used.
    """

    def __init__(self, web: WebAddress, *, transfer_seconds: float = 0.0, total_seconds: float = math.inf) -> None:
        super().__init__()
        self.trust_env = False  # no proxy, no .netrc and no other trust from the environment
        self.auth = _auth(web)
        self.headers.update({"User-Agent": f"dcis-node/{__version__}", "Accept-Encoding": "identity"})
        self.hooks["response"].append(_read_bounded)
        self.timeout = (web.timeout_seconds, web.timeout_seconds + transfer_seconds)
        self._deadline = Deadline(WAITS * web.timeout_seconds + transfer_seconds)
        self._until = time.monotonic() + total_seconds
        self.adapters.clear()
        self.mount("http://", _Adapter(self._deadline))
        if web.is_encrypted:
            tls = _client_tls(web)
            self.verify = tls.ca  # else requests would trust the authorities of its own list as well
            self.mount("https://", _Adapter(self._deadline, tls))

    @property
    def is_over(self) -> bool:
        """Whether the time of all exchanges together has passed."""
        return time.monotonic() >= self._until

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:  # noqa: ANN401 -- as its base
        """Send a request, and read the answer, within the time.

        Raises
        ------
        requests.RequestException
            There is no whole answer; a `requests.Timeout` if the time was over, `requests.TooManyRedirects` if the
            answer is somewhere else.
        """
        # dicomweb-client names the host without its port, which RFC 9110 7.2 forbids; without the field it is right.
        request.headers.pop("Host", None)
        left = self._until - time.monotonic()
        if left <= 0:
            raise requests.Timeout
        kwargs["timeout"] = tuple(min(wait, left) for wait in self.timeout)  # before it is there nothing can be cut
        try:
            with self._deadline.running(most=left):
                response = super().send(request, **kwargs)
        except (requests.RequestException, OSError) as error:
            if self._deadline.over:
                raise requests.Timeout from error
            raise
        if self._deadline.over:  # what was read may have been cut short
            raise requests.Timeout
        if 300 <= response.status_code < 400:
            raise requests.TooManyRedirects(response=response)
        return response

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Follow no redirect: our credentials and results go where the configuration says, and nowhere else."""


class Deadline:
    """Cuts connections when a block takes too long.

    Parameters
    ----------
    seconds
        Longest time of a block.
    """

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._seconds = seconds
        self._sockets: list[socket.socket] = []

    def watch(self, sock: socket.socket) -> None:
        """Add a connection to those that are cut."""
        self._sockets.append(sock)
        if self.over:
            self._cut()

    @contextmanager
    def running(self, most: float = math.inf) -> Iterator[None]:
        """Cut the connections if the block takes too long, or longer than `most` seconds; `over` then says so."""
        timer = threading.Timer(min(self._seconds, most), self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self.over = True
        for sock in self._sockets:
            with suppress(OSError):  # closed meanwhile
                # Below TLS, whose own shutdown would unwrap the socket under its reader's hands.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """Connects with our TLS context, never tries again by itself, and puts each connection under the deadline."""

    def __init__(self, deadline: Deadline, tls: ClientTls | None = None) -> None:
        self._deadline = deadline
        self._tls: dict[str, Any] = {} if tls is None else {"ssl_context": client_context(tls)}
        if tls is not None and not tls.check_host_name:
            self._tls["assert_hostname"] = False
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:  # noqa: ANN401, FBT001, FBT002 -- as its base
        super().init_poolmanager(connections, maxsize, block, **self._tls, **more)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:  # noqa: ANN401 -- as its base
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _watched(type(pool).ConnectionCls, self._deadline)
        return pool


def _watched(kind: Any, deadline: Deadline) -> Any:  # noqa: ANN401 -- one of urllib3's two classes of connections
    class Watched(kind):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            deadline.watch(self.sock)

    return Watched


class _Bearer(AuthBase):
    """RFC 6750 2.1."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _auth(web: WebAddress) -> AuthBase | None:
    if web.token_file is not None:
        return _Bearer(read_secret("token_file", web.token_file))
    if web.username and web.password_file is not None:
        password = read_secret("password_file", web.password_file)
        return HTTPBasicAuth(web.username.encode(), password.encode())
    return None


def _client_tls(web: WebAddress) -> ClientTls:
    if web.tls is not None:
        return web.tls
    # Without tls.ca: whom this machine trusts, which is where an administrator adds a hospital's own authority.
    store = ssl.get_default_verify_paths().cafile or DEBIAN_STORE
    return ClientTls(store if Path(store).exists() else certifi.where())


def _read_bounded(response: requests.Response, **_: object) -> requests.Response:
    """Read the answer up to a limit, before anyone else reads it without."""
    try:
        body = _body(response)
    except BaseException:
        response.close()  # not to be used again: the rest of the answer is still to come
        raise
    kept = requests.Response()
    kept.status_code, kept.headers, kept.url = response.status_code, response.headers, response.url
    kept.request, kept.raw = response.request, BytesIO(body)
    return kept


def _body(response: requests.Response) -> bytes:
    body = b""
    for chunk in response.iter_content(CHUNK_BYTES):
        body += chunk
        if len(body) > LONGEST_ANSWER_BYTES:
            raise AnswerTooLongError(response=response)
    return body
