"""Circuit breakers, health and graceful degradation for Python services."""
