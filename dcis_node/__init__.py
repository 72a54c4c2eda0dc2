"""DICOM node that outlines calcifications on mammograms and estimates high-risk DCIS. Research use only."""

__version__ = "0.1.0"
