"""backstay: the async toolkit behind any Python web app or worker."""
