"""Networks: each kind trains all members of an ensemble at once."""
