"""The verbs of `dcis-train`, one file each."""
