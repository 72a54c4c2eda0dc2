"""What an error says of the machine: that it is short of something, and the item in hand is not to blame. Pure."""

from dcis_node.analyse.limits import MACHINE_ERRNOS
from dcis_node.errors import DamagedIndexError, MachineError, UnusableIndexError


def is_of_machine(error: BaseException) -> bool:
    """Tell whether an item would have failed whatever it is: it is to be tried again, and the try does not count."""
    if isinstance(error, OSError):
        return error.errno in MACHINE_ERRNOS
    return isinstance(error, MachineError | UnusableIndexError | DamagedIndexError)
