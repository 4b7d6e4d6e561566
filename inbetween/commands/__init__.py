"""What is run on top of methods."""
