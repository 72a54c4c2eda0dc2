"""The storage SCP: limits, sink, and what is durable before success is answered."""
