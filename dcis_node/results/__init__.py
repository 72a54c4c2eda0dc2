"""DICOM objects that carry the findings back: SR, SEG and their self-check."""
