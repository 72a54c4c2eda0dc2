"""Annotation files as hospitals have them, each turned into a label picture of the mammogram it belongs to."""

from training.annotations.annotation import Annotation, ImageFacts
from training.annotations.reading import read_annotation

__all__ = ["Annotation", "ImageFacts", "read_annotation"]
