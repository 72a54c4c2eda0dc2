"""The audit trail (PS3.15 A.5, A.6): who sent what and who was refused, kept on disk and sent to a syslog server."""
