"""Running the node: processes, clock, status, trace and self-test."""
