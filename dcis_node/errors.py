"""The one error tree.

DcisNodeError
├── ConfigurationError      config.toml cannot be used; nothing was started
├── InputError              a received object cannot be used (carries a stable reason)
│   ├── HeaderError
│   └── PixelError
│       └── DecoderError    the decoder's process died, hung or hit a limit; another try may help
├── StorageError            index or files
│   ├── SchemaError         the index is of another schema than this program
│   ├── DamagedIndexError   the index does not pass its check
│   ├── UnusableIndexError  full, busy or away, whatever it was asked
│   └── UnsafeLocationError the folder cannot hold an index safely (network file system)
├── BundleError             a model bundle does not load
├── DeviceError             what computes the networks failed; no view is at fault (carries spoilt)
├── ResultError             a result object failed its self-check
├── DeliveryError           a peer did not take an object (carries permanent and status)
└── TrainingError           a cohort, split or training run cannot go on
"""


class DcisNodeError(Exception):
    """Base of every error this project raises on purpose. Its text never holds patient data."""


class ConfigurationError(DcisNodeError):
    """The configuration cannot be used."""


class InputError(DcisNodeError):
    """A received object cannot be used.

    Parameters
    ----------
    reason
        Stable name of the reason, a value of `dcis_node.mammogram.facts.Reason`.
    text
        What was wrong, without any value of the object that could identify a patient.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class HeaderError(InputError):
    """The header lacks or garbles what the node cannot do without."""


class PixelError(InputError):
    """The pixels cannot be decoded, or exceed a limit."""


class DecoderError(PixelError):
    """The process that decodes pixels died, hung or hit a limit: it need not be the image's fault."""


class StorageError(DcisNodeError):
    """The index or the files cannot be used."""


class SchemaError(StorageError):
    """The index was written by a newer program, or by none we know."""


class OlderSchemaError(SchemaError):
    """The index has an earlier schema of ours; the node brings it up to date when it starts."""


class DamagedIndexError(StorageError):
    """The file of the index does not pass the database's own check, or is none of ours."""


class UnusableIndexError(StorageError):
    """The index cannot be used now, whatever it is asked: it is full or busy, or its server is away."""


class UnsafeLocationError(StorageError):
    """The folder lies where an index is not safe, such as a network file system."""


class BundleError(DcisNodeError):
    """A model bundle is incomplete, altered, or needs settings that are unknown here."""


class DeviceError(DcisNodeError):
    """The device on which the networks are computed failed.

    Parameters
    ----------
    text
        What happened.
    spoilt
        True if this process cannot compute on it any more and has to end.
    """

    def __init__(self, text: str, *, spoilt: bool = False) -> None:
        super().__init__(text)
        self.spoilt = spoilt


class MachineError(DcisNodeError):
    """The machine failed, not the item in hand: a disk without room, too little memory, no free file descriptor."""


class ResultError(DcisNodeError):
    """A result object failed the check that stands before storing it."""


class DeliveryError(DcisNodeError):
    """A peer did not take an object.

    Parameters
    ----------
    text
        What happened, in an administrator's words.
    permanent
        True if the same bytes will be refused again, so that a person has to look.
    status
        The DIMSE status of the answer (PS3.4 B.2.3), or None where none came.
    """

    def __init__(self, text: str, *, permanent: bool, status: int | None = None) -> None:
        super().__init__(text)
        self.permanent = permanent
        self.status = status


class TrainingError(DcisNodeError):
    """A cohort, a split or a training run cannot go on."""
