"""What measures the service, itself."""
