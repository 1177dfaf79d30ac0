"""The strategies that a pipeline is made of, one to a file."""
