"""What becomes of three notes on a stick when something goes wrong, through the command line."""
