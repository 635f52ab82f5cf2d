"""Child processes: the one way to start them, confine them and end them."""
