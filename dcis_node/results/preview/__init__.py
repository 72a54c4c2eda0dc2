"""What a viewer's user sees of the results, read back from the bytes that were sent."""
