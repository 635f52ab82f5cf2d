"""The database floor: declarative base, unit of work, keyset pagination and migrations."""
