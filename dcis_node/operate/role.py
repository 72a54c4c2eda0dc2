"""One role of the node, imported alone: a receiver has no need of torch, nor of its memory."""

# ruff: noqa: PLC0415

import os

from dcis_node.config import Configuration


def run_role(
    role: str,
    configuration: Configuration,
    name: str,
    *,
    listen_fd: int | None,
    tls_listen_fd: int | None,
    lifeline: int | None,
) -> None:
    """Be one process of the node until it is told to stop.

    Parameters
    ----------
    role
        `receive`, `retrieve`, `analyse`, `deliver` or `clock`.
    name
        Of the process, unique in the index.
    listen_fd, tls_listen_fd
        The listening sockets that a supervisor hands on to a receiver.
    lifeline
        The pipe whose end means that the supervisor is gone.
    """
    if role == "receive":
        from dcis_node.operate.role_receive import run_receive

        run_receive(configuration, name, listen_fd=listen_fd, tls_listen_fd=tls_listen_fd, lifeline=lifeline)
    elif role == "analyse":
        # Read by OpenMP when torch loads it. Threads that spin while they wait cost ten times the time as soon as
        # another process wants a core (2 threads, 2 cores, one busy: 14 s a view against 1.5 s), and gain nothing else.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        from dcis_node.operate.role_analyse import run_analyse

        run_analyse(configuration, name, lifeline=lifeline)
    elif role == "deliver":
        from dcis_node.operate.role_deliver import run_deliver

        run_deliver(configuration, name, lifeline=lifeline)
    elif role == "retrieve":
        from dcis_node.operate.role_retrieve import run_retrieve

        run_retrieve(configuration, name, lifeline=lifeline)
    else:
        from dcis_node.operate.role_clock import run_clock_role

        run_clock_role(configuration, name, lifeline=lifeline)
