"""A search's trials: the space they are taken from, the folder that keeps them, the page that shows them."""
