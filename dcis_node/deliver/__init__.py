"""The SCU side: sending, and the courier that empties the outbox."""
