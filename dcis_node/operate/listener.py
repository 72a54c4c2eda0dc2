"""The listening sockets that all receivers accept on: one without TLS, one with."""

import socket
from dataclasses import dataclass

from dcis_node.config import ReceiveSettings
from dcis_node.errors import ConfigurationError

# Connections that wait while every receiver is busy. Of more the kernel drops the first packet, and their peers try
# again after a second: so a burst has to fit.
BACKLOG = 1024


@dataclass(frozen=True)
class Listeners:
    """What a receiver listens on; None where the settings have no such listener."""

    plain: socket.socket | None
    tls: socket.socket | None

    def close(self) -> None:
        """Close both; what other processes have inherited goes on."""
        for listener in (self.plain, self.tls):
            if listener is not None:
                listener.close()


def bind_listeners(settings: ReceiveSettings) -> Listeners:
    """Bind what the settings ask for.

    Raises
    ------
    ConfigurationError
        An address cannot be bound; nothing stays bound.
    """
    plain = bind_listener(settings) if settings.plain else None
    try:
        return Listeners(plain, bind_tls_listener(settings) if settings.tls.certificate else None)
    except ConfigurationError:
        Listeners(plain, None).close()
        raise


def inherited(plain: int | None, tls: int | None) -> Listeners:
    """Take the sockets that a supervisor handed on, by their descriptors."""
    found = (None if number is None else socket.socket(fileno=number) for number in (plain, tls))
    return Listeners(*found)


def bind_listener(settings: ReceiveSettings) -> socket.socket:
    """Bind and listen before any receiver starts, so that none is ever connected to in vain.

    Returns
    -------
    socket.socket
        A listening TCP socket that children may inherit.

    Raises
    ------
    ConfigurationError
        The address cannot be bound; names key and value.
    """
    return _bind(settings.host, settings.port, "receive.port")


def bind_tls_listener(settings: ReceiveSettings) -> socket.socket:
    """Bind and listen for connections with TLS, as `bind_listener` does for those without."""
    return _bind(settings.host, settings.tls.port, "receive.tls.port")


def address_of(listener: socket.socket) -> tuple[str, int]:
    """Give (host, port) as bound; the port is the real one where 0 was asked."""
    name = listener.getsockname()
    return str(name[0]), int(name[1])


def place_of(listener: socket.socket | None) -> str:
    """Write where a listener is as `host:port`; "" for none."""
    if listener is None:
        return ""
    host, port = address_of(listener)
    return f"{host}:{port}"


def _bind(host: str, port: int, key: str) -> socket.socket:
    where = f"receive.host = {host!r}, {key} = {port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(where, error) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot_listen(where, error) from error
    listener.set_inheritable(True)
    return listener


def _cannot_listen(where: str, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"cannot listen on {where}: {error.strerror or type(error).__name__}")
