"""The ledger: a finished run read back, the flow of its rows as a picture, the page."""
