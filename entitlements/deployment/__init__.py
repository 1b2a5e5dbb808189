"""What may be deployed: the base of a lock, the evidence for it, and the release that it makes."""
