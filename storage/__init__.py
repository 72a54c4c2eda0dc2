"""The index and the files, shared by the node and by training."""
