"""What this implementation calls itself in associations and files (PS3.7 D.3.3.2, PS3.10 7.1)."""

# Alone here: a receiver needs these two, and nothing of what builds results.
IMPLEMENTATION_CLASS_UID = "2.25.190121532249468276996655460040694109643"
IMPLEMENTATION_VERSION_NAME = "DCIS_NODE"
