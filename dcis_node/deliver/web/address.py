"""Where a DICOMweb service is, and how we say who we are. Values only: no secret is in them, but the files' names."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dcis_node.config import DestinationSettings


@dataclass(frozen=True)
class WebAddress:
    """A DICOMweb service.

    Parameters
    ----------
    url
        Root of the service, such as `https://pacs.example/dicom-web`; without credentials, query and fragment.
    timeout_seconds
        Longest wait for each of: the connection, progress on the network, and (beside the time of the transfer) the
        answer to a request.
    username, password_file
        For HTTP Basic authentication, if `username` is set. Files of secrets are read anew for each attempt.
    token_file
        A bearer token, if set (RFC 6750).
    ca
        Whose certificate the service must show; None: one that this machine's own store trusts.
    certificate, key
        Ours, for a service that asks for one.
    check_host_name
        Whether its certificate must name the host of `url`.
    """

    url: str
    timeout_seconds: float = 30.0
    username: str = ""
    password_file: Path | None = None
    token_file: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    check_host_name: bool = True

    def __str__(self) -> str:
        return self.url

    @property
    def host(self) -> str:
        """Host name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def aet(self) -> str:
        """None: DICOMweb knows no AE titles."""
        return ""

    @property
    def calling_aet(self) -> str:
        """None, either."""
        return ""

    @property
    def is_encrypted(self) -> bool:
        """Whether what is sent cannot be read on the way."""
        return urlsplit(self.url).scheme == "https"

    @property
    def has_credentials(self) -> bool:
        """Whether we say who we are by a secret."""
        return bool(self.token_file or self.username)

    @property
    def credentials_named(self) -> str:
        """Name the settings by which we say who we are, for an administrator."""
        if self.token_file is not None:
            return "token_file"
        return "username and password_file" if self.username else "no credentials are configured"

    @property
    def files(self) -> dict[str, Path]:
        """The files that a request reads, by their key in the configuration."""
        named = {
            "password_file": self.password_file,
            "token_file": self.token_file,
            "tls.ca": self.ca,
            "tls.certificate": self.certificate,
            "tls.key": self.key,
        }
        return {key: path for key, path in named.items() if path is not None}


def web_address(destination: DestinationSettings, *, base: Path, timeout_seconds: float) -> WebAddress:
    """Give the address of a destination of kind dicomweb.

    Parameters
    ----------
    base
        Folder of config.toml, from which relative paths are taken. Links stay links: by them secrets are renewed.
    """

    def path(value: str) -> Path | None:
        return base.absolute() / value if value else None

    tls = destination.tls
    return WebAddress(
        url=destination.url.rstrip("/"),
        timeout_seconds=timeout_seconds,
        username=destination.username,
        password_file=path(destination.password_file),
        token_file=path(destination.token_file),
        ca=path(tls.ca),
        certificate=path(tls.certificate),
        key=path(tls.key),
        check_host_name=tls.check_host_name,
    )
