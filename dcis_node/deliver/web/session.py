"""One connection to a DICOMweb service, with a limit on everything: waits, answers, redirects, whom to trust.

requests and urllib3 do the work; this sets what they leave open. A session serves one attempt: secrets and
certificates are read when it is made, so that a renewed file counts from the next attempt on.
"""

import ssl
import threading
from io import BytesIO
from socket import SHUT_RDWR
from types import TracebackType
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3 import HTTPConnectionPool

from dcis_node import __version__
from dcis_node.deliver.web.address import WebAddress
from dcis_node.deliver.web.credentials import Unusable, read_secret

LONGEST_ANSWER_BYTES = 4 * 1024 * 1024  # the answer about 64 objects has 40 kB
CHUNK_BYTES = 64 * 1024
# No 64 objects of one study, nor a query, take longer than that many waits beside the transfer.
WAITS = 2  # the connection, the answer


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

    Raises
    ------
    Unusable
        A file of secrets or certificates cannot be used; nothing was sent.
    """

    def __init__(self, web: WebAddress, *, transfer_seconds: float = 0.0) -> None:
        super().__init__()
        self.trust_env = False  # no proxy, no .netrc and no other trust from the environment
        self.auth = _auth(web)
        self.headers.update({"User-Agent": f"dcis-node/{__version__}", "Accept-Encoding": "identity"})
        self.hooks["response"].append(_read_bounded)
        self.timeout = (web.timeout_seconds, web.timeout_seconds)
        self._deadline = Deadline(WAITS * web.timeout_seconds + transfer_seconds)
        context = tls_context(web)
        self.verify = str(web.ca) if web.ca is not None else _own_store()
        self.adapters.clear()
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter(self._deadline, context, check_host_name=web.check_host_name))

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
        try:
            with self._deadline:
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
        self._connections: list[object] = []
        self._timer: threading.Timer | None = None

    def watch(self, connection: object) -> None:
        """Add a connection to those that are cut."""
        self._connections.append(connection)

    def __enter__(self) -> None:
        self._timer = threading.Timer(self._seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _cut(self) -> None:
        self.over = True
        for connection in self._connections:
            sock = getattr(connection, "sock", None)  # None: not connected, or not any more
            if sock is not None:
                try:
                    sock.shutdown(SHUT_RDWR)
                except OSError:
                    continue  # closed meanwhile


class _Adapter(HTTPAdapter):
    """Connects with our TLS context, never tries again by itself, and puts each connection under the deadline."""

    def __init__(self, deadline: Deadline, context: ssl.SSLContext, *, check_host_name: bool) -> None:
        self._deadline = deadline
        self._tls: dict[str, Any] = {"ssl_context": context}
        if not check_host_name:
            self._tls["assert_hostname"] = False
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:  # noqa: ANN401, FBT001, FBT002 -- as its base
        super().init_poolmanager(connections, maxsize, block, **self._tls, **more)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:  # noqa: ANN401 -- as its base
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        make = type(pool).ConnectionCls

        def watched(*args: Any, **kwargs: Any) -> object:  # noqa: ANN401
            connection = make(*args, **kwargs)
            self._deadline.watch(connection)
            return connection

        pool.ConnectionCls = watched  # type: ignore[assignment]  # it is only called
        return pool


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


def tls_context(web: WebAddress) -> ssl.SSLContext:
    """Set up TLS: 1.2 or newer, the service's certificate is always verified, ours is shown if there is one.

    Raises
    ------
    Unusable
        A certificate or key cannot be read, or the two do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = web.check_host_name
    if web.ca is not None:
        _load("tls.ca", lambda: context.load_verify_locations(cafile=web.ca))
    if web.certificate is not None:
        certificate, key = web.certificate, web.key
        # With the empty passphrase an encrypted key is an error, not a question on a terminal.
        _load("tls.certificate and tls.key", lambda: context.load_cert_chain(certificate, key, password=""))
    return context


def _load(what: str, load: Any) -> None:  # noqa: ANN401 -- a function whose value nobody wants
    try:
        load()
    except ssl.SSLError as error:
        raise Unusable(f"{what}: {(error.reason or 'not PEM').replace('_', ' ').lower()}") from error
    except OSError as error:
        raise Unusable(f"{what}: {error.strerror}") from error


def _own_store() -> str | bool:
    """Name the store of certificates that this machine trusts; True means that of the library certifi."""
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True


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
