"""Models, converted for workers that may only read converted models."""
