"""What the demonstration needs: a synthetic study to start from and the story told over it."""
