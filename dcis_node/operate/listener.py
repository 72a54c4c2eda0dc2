"""The one listening socket that all receivers accept on."""

import socket

from dcis_node.config import ReceiveSettings
from dcis_node.errors import ConfigurationError

# Connections that wait while every receiver is busy; the kernel refuses more.
BACKLOG = 128


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
    where = f"receive.host = {settings.host!r}, receive.port = {settings.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {where}: {error.strerror or type(error).__name__}") from error
    listener.set_inheritable(True)
    return listener


def address_of(listener: socket.socket) -> tuple[str, int]:
    """Give (host, port) as bound; the port is the real one where 0 was asked."""
    name = listener.getsockname()
    return str(name[0]), int(name[1])
