"""Measurements of the whole product; ratios against a floor or a peer of the same run, never part of the tests."""
