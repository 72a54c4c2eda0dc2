"""From a judged bundle to the node's active one: publish, compare, promote."""
