"""User interfaces: consumers of events that know nothing of what makes them."""
