"""What is so of one format only, a folder for each."""
