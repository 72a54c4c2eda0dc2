"""Where results go, how they are sent, and how their arrival is proven."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from dcis_node.config.base import AETitle, AsTuple, Name, Settings

Seconds = Annotated[float, Field(gt=0, le=3600)]


class DestinationTls(Settings):
    """TLS towards a destination; without `ca` there is none.

    `ca` says whose certificate the peer must show; `certificate` and `key` are ours, where it asks for one.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""
    check_host_name: bool = True

    @model_validator(mode="after")
    def _what_goes_together(self) -> "DestinationTls":
        if bool(self.certificate) != bool(self.key):
            msg = "tls.certificate and tls.key go together"
            raise ValueError(msg)
        if self.certificate and not self.ca:
            msg = "tls.certificate needs tls.ca, which says whose certificate the peer must show"
            raise ValueError(msg)
        return self


class DestinationSettings(Settings):
    """One place where results go: a DICOM peer (`host`, `port`, `aet`) or a DICOMweb service (`url`).

    `senders`: only exams that one of these calling AE titles has sent; empty = all. `proof`: how it is shown that an
    object has arrived; `auto` asks for storage commitment where the peer offers it, and else by query.
    """

    name: Name
    kind: Literal["dicom", "dicomweb"] = "dicom"
    host: Annotated[str, StringConstraints(max_length=253)] = ""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    aet: AETitle | Literal[""] = ""
    calling_aet: AETitle | None = None
    url: Annotated[str, StringConstraints(pattern=r"^(https?://[^\s]+)?$")] = ""
    username: Annotated[str, StringConstraints(max_length=256)] = ""
    password_file: str = ""
    token_file: str = ""
    tls: DestinationTls = DestinationTls()
    profile: Literal["generic", "ohif", "mammo-workstation", "archive"] = "generic"
    measurement_report: Literal["comprehensive-3d", "comprehensive"] = "comprehensive-3d"
    senders: Annotated[tuple[AETitle, ...], AsTuple] = ()
    transfer_syntaxes: Annotated[tuple[Literal["explicit", "implicit"], ...], AsTuple, Field(min_length=1)] = (
        "explicit",
    )
    max_pdu_bytes: Annotated[int, Field(ge=4096, le=1048576)] = 131072
    timeout_seconds: Seconds | None = None
    proof: Literal["auto", "commitment", "query", "none"] = "auto"

    @model_validator(mode="after")
    def _what_its_kind_needs(self) -> "DestinationSettings":
        if self.kind == "dicom":
            if not (self.host and self.port and self.aet):
                msg = "a destination of kind dicom needs host, port and aet"
                raise ValueError(msg)
            if self.url or self.username or self.password_file or self.token_file:
                msg = "url, username, password_file and token_file belong to kind dicomweb"
                raise ValueError(msg)
            return self
        if not self.url or self.host or self.port or self.aet or self.calling_aet:
            msg = "a destination of kind dicomweb needs url, and has no host, port, aet or calling_aet"
            raise ValueError(msg)
        if self.proof == "commitment":
            msg = "DICOMweb has no storage commitment: proof is auto, query or none"
            raise ValueError(msg)
        if any(sign in self.url for sign in "@?#"):
            msg = "url is the root of the service alone: credentials belong in password_file or token_file"
            raise ValueError(msg)
        if bool(self.username) != bool(self.password_file) or (self.username and self.token_file):
            msg = "either username and password_file, or token_file, or none of them"
            raise ValueError(msg)
        if ":" in self.username or not (self.username.isascii() and self.username.isprintable()):
            msg = "username: printable ASCII characters without a colon"  # RFC 7617
            raise ValueError(msg)
        if self.tls.ca and self.url.startswith("http:"):
            msg = "tls belongs to a url with https"
            raise ValueError(msg)
        return self


class DeliverSettings(Settings):
    """The courier.

    `give_up_seconds`: how long a result that meets nothing but passing failures is tried before it is set aside as
    `dead`. `breaker_failures`: so many failures of a destination as a whole in a row open its circuit breaker; it is
    then probed by C-ECHO only. `commitment_timeout_seconds`: how long the report on a request for storage commitment
    may take before it is asked anew.
    """

    timeout_seconds: Seconds = 30.0
    backoff_first_seconds: Annotated[float, Field(gt=0, le=3600)] = 10.0
    backoff_most_seconds: Annotated[float, Field(gt=0, le=86400)] = 900.0
    give_up_seconds: Annotated[float, Field(ge=1, le=31536000)] = 604800.0
    breaker_failures: Annotated[int, Field(ge=1, le=1000)] = 3
    commitment_timeout_seconds: Annotated[float, Field(gt=0, le=604800)] = 86400.0
    lease_seconds: Annotated[float, Field(ge=10, le=86400)] = 300.0
