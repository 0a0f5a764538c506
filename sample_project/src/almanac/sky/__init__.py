"""What is in the sky."""
