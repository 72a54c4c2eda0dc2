"""Where a DICOMweb service is, and how we say who we are. Values only: no secret is in them, but the files' names."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dcis_node.bcp195 import ClientTls


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
    tls
        For https: whose certificate counts, and ours. None: the authorities that this machine trusts.
    """

    url: str
    timeout_seconds: float = 30.0
    username: str = ""
    password_file: Path | None = None
    token_file: Path | None = None
    tls: ClientTls | None = None

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
    def secret_files(self) -> dict[str, Path]:
        """The files of secrets, by their key in the configuration."""
        named = {"password_file": self.password_file, "token_file": self.token_file}
        found = {key: path for key, path in named.items() if path is not None}
        return found | ({"tls.key": Path(self.tls.key)} if self.tls is not None and self.tls.key else {})
