"""What installs, runs and documents Sillage from outside."""
