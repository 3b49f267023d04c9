"""The ranked word lists that the strength estimator reads, and the script that builds them."""
