"""Forty varied exams, from the received images to judged results."""
