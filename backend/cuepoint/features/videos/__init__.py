"""Videos, what is known of their media, and the files derived from them."""
