"""The platform's endpoints, grouped as its manual groups them."""
