"""A price service: the demo of backstay. `domain` knows prices, `service` knows HTTP, `walkthrough` shows both."""
