"""Links by which people without an account look at one video or one project."""
