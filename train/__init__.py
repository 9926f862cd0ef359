"""Training and measuring. Uses `sentiment`; never the other way round."""
