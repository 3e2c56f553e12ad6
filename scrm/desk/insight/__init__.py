"""How communities are doing: a page for each of them, and one that compares them."""
