"""Annotation files as hospitals have them, each turned into a label picture of the mammogram it belongs to."""
