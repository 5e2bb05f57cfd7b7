"""Result types and their writers: dictionaries with the reference's keys, and the files made from them."""
