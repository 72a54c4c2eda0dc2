"""Synthetic exams with exact truth, for the demo, the tests and the demo model. Pure."""
