"""What the product does, one folder per feature; a later feature may import an earlier one, never the other way."""
