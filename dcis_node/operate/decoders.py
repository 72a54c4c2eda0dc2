"""Keep what decodes pixels out of a process that has no use for it."""

import sys

# What pydicom imports, where it is installed, as soon as it is imported itself; and numpy, in which it gives pixels.
DECODERS = ("gdcm", "PIL", "pylibjpeg", "openjpeg", "libjpeg", "rle", "jpeg_ls", "numpy")


def shut_out_decoders() -> None:
    """Make every import of a decoder fail in this process, as if none were installed; call it before pydicom is there.

    A receiver reads headers only. Native code that parses what strangers send is then not in its reach (fo-dicom.Codecs
    #78: a corrupt image killed the host process), and it needs 35 MB less.
    """
    for name in DECODERS:
        # "If the value is None, then a ModuleNotFoundError is raised" (The Python Language Reference, 5.3.1).
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
