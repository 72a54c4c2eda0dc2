"""DICOMweb: results by STOW-RS, and by QIDO-RS the proof that they are there (PS3.18)."""
